/** `pulumi install`: the program's dependencies by its package manager. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InstallDependenciesResponse, type InstallDependenciesRequest } from "@pulumi/pulumi/proto/language_pb";
import { ended } from "./children";
import { readOptions } from "./options";
import { packageRoot } from "./packages";
import type { Host } from "./run";

/** The file by which a package manager shows that it rules a folder; npm without one. */
const LOCK_FILES = { pnpm: "pnpm-lock.yaml", yarn: "yarn.lock", bun: "bun.lock" } as const;

/**
 * Installs, sending the output as it comes.
 * @throws Error with the command and its exit code.
 */
export async function installDependencies(
  request: InstallDependenciesRequest,
  host: Host,
  send: (answer: InstallDependenciesResponse) => void,
  cancelled: AbortSignal,
): Promise<void> {
  const directory = packageRoot(request.getDirectory()) ?? request.getDirectory();
  const [manager, ...args] = installCommand(directory, readOptions(request.getInfo()?.getOptions()).packagemanager);
  const child = host.children.start(manager, args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout?.on("data", (data: Buffer) => {
    send(new InstallDependenciesResponse().setStdout(data));
  });
  child.stderr?.on("data", (data: Buffer) => {
    send(new InstallDependenciesResponse().setStderr(data));
  });
  cancelled.addEventListener("abort", () => {
    child.kill();
  });
  const exit = await ended(child).catch((cause: unknown) => {
    throw new Error(`${manager} cannot be started; is it installed?`, { cause });
  });
  if (!("code" in exit) || exit.code !== 0) {
    throw new Error(
      `"${[manager, ...args].join(" ")}" in ${directory} ended with ${"code" in exit ? `exit code ${exit.code}` : exit.signal}`,
    );
  }
}

/** The install command for a folder; `wanted` is the runtime option `packagemanager`. */
export function installCommand(directory: string, wanted: string | undefined): [string, ...string[]] {
  const locked = (Object.keys(LOCK_FILES) as (keyof typeof LOCK_FILES)[]).find((name) =>
    existsSync(join(directory, LOCK_FILES[name])),
  );
  const manager = wanted ?? locked ?? "npm";
  // `npm install`, not `npm ci`: ci deletes what is there, and fails when the user has just edited package.json.
  return manager === "npm" ? ["npm", "install", "--loglevel=error"] : [manager, "install"];
}
