import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isOwnCacheFolder } from "../infra/support/cache-folder";
import { tryRun } from "../infra/support/exec";
import { cacheRoot } from "./cache";
import { engineStatus, stopEngine } from "./docker/engine";
import { LABEL, REPOSITORIES } from "./versions";

/** What is cached, with sizes: one line each. */
export async function status(): Promise<string[]> {
  const root = cacheRoot();
  return [
    `cache ${root}`,
    ...ownEntries().map((name) => `  ${megabytes(sizeOf(join(root, name))).padStart(9)}  ${name}`),
    "images",
    ...(await imagesMadeHere()).map((image) => `  ${image.size.padStart(9)}  ${image.name}`),
    await engineStatus(),
  ];
}

/**
 * Removes everything that the fallback made, and says what: images, the daemon, the cache. What others made from
 * those images (stacks, their images and containers) is theirs; an image that is in use is kept, and named.
 */
export async function clean(print: (line: string) => void): Promise<void> {
  for (const image of await imagesMadeHere()) {
    const result = await tryRun(["docker", "rmi", image.name]);
    print(
      result.exitCode === 0
        ? `removed image ${image.name}`
        : `kept image ${image.name}: ${result.stderr.split("\n")[0] ?? ""}`,
    );
  }
  print(await stopEngine());
  for (const name of ownEntries()) {
    rmSync(join(cacheRoot(), name), { recursive: true, force: true });
    print(`removed ${join(cacheRoot(), name)}`);
  }
  for (const name of ["pulumi", "docker", "locks"].filter((each) => existsSync(join(cacheRoot(), each)))) {
    print(`kept ${join(cacheRoot(), name)}: the folder above it was not made by this project`);
  }
}

/**
 * What of the cache's folder the fallback made. In a folder that the user has for more, `pulumi` or `docker` may be the
 * user's: there only names with a recipe's digest are ours.
 */
export function ownEntries(root = cacheRoot()): string[] {
  const ours =
    /^(pulumi-cli|kind-cli|helm|registry|node-program-[a-z0-9]+|docker-engine|go)-[\w.-]+-[0-9a-f]{12}$|^\.building-/;
  const inOwn = isOwnCacheFolder(root) ? /^(pulumi|docker|locks)$/ : undefined;
  return existsSync(root)
    ? readdirSync(root)
        .filter((name) => ours.test(name) || inOwn?.test(name))
        .sort()
    : [];
}

/**
 * Our images, newest first, which is the order in which they can be removed. By name as well as by label,
 * because images that are built on ours inherit the label.
 */
async function imagesMadeHere(): Promise<{ name: string; size: string }[]> {
  const references = REPOSITORIES.flatMap((name) => ["--filter", `reference=${name}`]);
  const result = await tryRun([
    "docker",
    "images",
    "--filter",
    `label=${LABEL}`,
    ...references,
    "--format",
    "{{.Repository}}:{{.Tag}} {{.Size}}",
  ]).catch(() => undefined);
  const lines = result?.exitCode === 0 ? result.stdout.split("\n").filter((line) => line !== "") : [];
  return lines.map((line) => ({ name: line.split(" ")[0]!, size: line.split(" ")[1] ?? "" }));
}

function sizeOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return stat?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
