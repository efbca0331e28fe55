import { existsSync, mkdirSync, statfsSync } from "node:fs";
import { UserError } from "../../infra/support/errors";
import { cacheRoot } from "../cache";

/** @throws UserError E_ROOT_NEEDED */
export function requireRoot(what: string): void {
  if (process.getuid?.() === 0) return;
  throw new UserError("E_ROOT_NEEDED", {
    seen: `user id ${process.getuid?.() ?? "unknown"}`,
    wanted: `root, because ${what}`,
    next: "sudo -E npm run e2e",
  });
}

/** @throws UserError E_TOOL_BUILD on another system than Linux on amd64 or arm64 */
export function requireLinux(): void {
  if (process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")) return;
  throw new UserError("E_TOOL_BUILD", {
    seen: `${process.platform} on ${process.arch}`,
    wanted: "Linux on x64 or arm64",
    next: "install Docker and the Pulumi CLI, and let this host reach an image registry",
  });
}

/** @throws UserError E_DISK when the cache's file system has less than `gibibytes` left */
export function requireDisk(gibibytes: number, folder = cacheRoot()): void {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / 2 ** 30;
  if (free >= gibibytes) return;
  throw new UserError("E_DISK", {
    seen: `${free.toFixed(1)} GiB free at ${folder}`,
    wanted: `${gibibytes} GiB`,
    next: "BAY_E2E_CACHE=/a/folder/with/space npm run e2e",
  });
}

/** The path of a program on PATH. */
export function findProgram(name: string, path = process.env["PATH"] ?? ""): string | undefined {
  return path
    .split(":")
    .map((folder) => `${folder}/${name}`)
    .find((file) => existsSync(file));
}
