/** Releases on which an operation was cut off: Helm refuses to touch them ("another operation is in progress"). */
import { type HelmRecord, isCutOff } from "../../../../infra/support/helm-record";
import type { Cluster } from "../cluster";
import type { Helm } from "./cli";
import { forget } from "./records";

/** A release that may have to be put right. */
export interface Subject {
  cluster: Cluster;
  helm: Helm;
  /** All its revisions, oldest first. */
  records: HelmRecord[];
  /** Label that tells this resource's releases from others'. */
  owner: { key: string; value: string };
  /** Seconds for removing it. */
  timeout: number;
  signal: AbortSignal;
  tell: (line: string) => void;
}

/**
 * Puts right what a killed Helm left of this resource's release, and gives its revisions afterwards. A first
 * installation, or a removal, is brought to its end by removing the release; of an upgrade or a rollback the cut-off
 * revision is forgotten, so that the next upgrade starts from the one before. The engine lets one run at a time have a
 * stack, so whoever had begun it is gone.
 * @throws Error for a release that somebody else has in hand
 */
export async function settleCutOff({ cluster, helm, records, owner, timeout, signal, tell }: Subject): Promise<HelmRecord[]> {
  const last = records.at(-1);
  if (last === undefined || !isCutOff(last)) return records;
  if (!records.some(({ labels }) => labels[owner.key] === owner.value)) throw new Error(inHand(last));
  const earlier = records.slice(0, -1);
  if (last.status !== "uninstalling" && earlier.some(({ status }) => status !== "uninstalled")) {
    tell(`revision ${last.revision} of the release was cut off (${last.status}): going on from revision ${earlier.at(-1)!.revision}`);
    await forget(cluster, last);
    return settleCutOff({ cluster, helm, records: earlier, owner, timeout, signal, tell });
  }
  tell(`the release was cut off (${last.status}): removing what is there of it`);
  await helm.remote({ args: ["uninstall", last.name, "--namespace", last.namespace, "--wait", "--timeout", `${timeout}s`], signal });
  return [];
}

function inHand({ name, namespace, revision, status }: HelmRecord): string {
  return [
    `the release ${namespace}/${name} is not this resource's, and an operation on it is under way or was cut off (revision ${revision}, ${status}). Ways out:`,
    `  - somebody works on it: wait until \`helm status ${name} -n ${namespace}\` says something else;`,
    `  - nobody does: \`helm rollback ${name} -n ${namespace}\` to an earlier revision, or \`helm uninstall ${name} -n ${namespace}\`.`,
  ].join("\n");
}
