import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { tryRun } from "../infra/support/exec";
import { cacheRoot } from "./cache";
import { engineStatus, stopEngine } from "./docker/engine";
import { LABEL } from "./versions";

/** What is cached, with sizes: one line each. */
export async function status(): Promise<string[]> {
  const root = cacheRoot();
  const entries = existsSync(root) ? readdirSync(root).sort() : [];
  return [
    `cache ${root}`,
    ...entries.map((name) => `  ${megabytes(sizeOf(join(root, name))).padStart(9)}  ${name}`),
    "images",
    ...(await imagesMadeHere()).map((image) => `  ${image.size.padStart(9)}  ${image.name}`),
    await engineStatus(),
  ];
}

/** Removes everything that the fallback made, and says what: containers, volumes, images, the daemon, the cache. */
export async function clean(print: (line: string) => void): Promise<void> {
  await removeAll("container", ["docker", "ps", "-aq", "--filter", `label=${LABEL}`], ["docker", "rm", "-f", "-v"], print);
  await removeAll("volume", ["docker", "volume", "ls", "-q", "--filter", `label=${LABEL}`], ["docker", "volume", "rm"], print);
  const images = await imagesMadeHere();
  for (const image of images) {
    const result = await tryRun(["docker", "rmi", image.name]);
    print(result.exitCode === 0 ? `removed image ${image.name}` : `kept image ${image.name}: ${result.stderr.split("\n")[0] ?? ""}`);
  }
  print(await stopEngine());
  rmSync(cacheRoot(), { recursive: true, force: true });
  print(`removed ${cacheRoot()}`);
}

async function removeAll(what: string, list: [string, ...string[]], remove: [string, ...string[]], print: (line: string) => void): Promise<void> {
  const found = await tryRun(list).catch(() => undefined);
  for (const id of found?.exitCode === 0 ? found.stdout.split("\n").filter((line) => line !== "") : []) {
    const result = await tryRun([...remove, id]);
    print(result.exitCode === 0 ? `removed ${what} ${id}` : `kept ${what} ${id}: ${result.stderr}`);
  }
}

/** Images by our label, those that others are built on last, so that they can be removed in this order. */
async function imagesMadeHere(): Promise<{ name: string; size: string }[]> {
  const result = await tryRun(["docker", "images", "--filter", `label=${LABEL}`, "--format", "{{.Repository}}:{{.Tag}} {{.Size}}"]).catch(() => undefined);
  const lines = result?.exitCode === 0 ? result.stdout.split("\n").filter((line) => line !== "" && !line.startsWith("<none>")) : [];
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
