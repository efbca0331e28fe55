import semver from "semver";
import { tryRun } from "../../infra/support/exec";
import { cacheFolder } from "./cache";
import { onPath } from "../probe/tools";
import type { Tell } from "../progress";

/** Older ones cannot label their releases, by which one that was cut off is known again. */
export const ACCEPTED_HELM = ">=3.14.0";

/**
 * Whether PATH has a helm of the user's that is new enough. Only the fallback's Kubernetes plugin calls it, so the
 * vendor is not asked for one: the official plugin has Helm inside.
 */
export async function hasHelm(tell: Tell): Promise<boolean> {
  const version = await versionOnPath();
  if (!version) return false;
  if (semver.satisfies(version, ACCEPTED_HELM)) return true;
  tell(`helm ${version.version} on PATH is not ${ACCEPTED_HELM}: taking another beside it`);
  return false;
}

/** One that this project put before PATH in a shell is not the user's. */
async function versionOnPath(): Promise<semver.SemVer | undefined> {
  const program = await onPath("helm");
  if (!program || program.startsWith(cacheFolder())) return undefined;
  return semver.coerce((await tryRun([program, "version", "--template", "{{.Version}}"])).stdout) ?? undefined;
}
