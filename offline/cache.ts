import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { claimCacheFolder } from "../infra/support/cache-folder";
import { UserError } from "../infra/support/errors";

/** The folder of everything that is made here: `$BAY_E2E_CACHE`, else `bay-e2e` below the user's cache folder. */
export function cacheRoot(): string {
  return process.env["BAY_E2E_CACHE"] || join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bay-e2e");
}

/** What one entry of the cache holds, and what it is made from. */
export interface Entry {
  /** Name of the thing, e.g. `pulumi-cli`. */
  name: string;
  version: string;
  /** Hash of the recipe, from `recipeHash`. */
  hash: string;
}

/** Where an entry is when it is whole; it is never there half-made. */
export function entryPath(entry: Entry, root = cacheRoot()): string {
  return join(root, `${entry.name}-${entry.version}-${entry.hash}`);
}

/**
 * Gives an entry's folder, and makes it first where it is missing: in a folder beside, renamed when whole.
 * Processes that want the same entry wait for the one that makes it.
 * @param build fills the folder that it is given; when it throws, nothing is left
 */
export async function cached(
  entry: Entry,
  build: (folder: string) => Promise<void>,
  root = cacheRoot(),
): Promise<string> {
  const path = entryPath(entry, root);
  if (existsSync(path)) return path;
  return withLock(
    entry.name,
    async () => {
      // Whatever is being built under this lock was left by a process that is gone.
      for (const stale of leftovers(entry.name, root)) rmSync(stale, { recursive: true, force: true });
      if (existsSync(path)) return path;
      const folder = join(root, `${BUILDING}${basename(path)}-${process.pid}`);
      mkdirSync(folder, { recursive: true });
      try {
        await build(folder);
        renameSync(folder, path);
      } catch (error) {
        rmSync(folder, { recursive: true, force: true });
        throw error;
      }
      return path;
    },
    root,
  );
}

const BUILDING = ".building-";

/** Folders of interrupted builds of one thing, or of all things. */
export function leftovers(name = "", root = cacheRoot()): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((file) => file.startsWith(`${BUILDING}${name}`))
    .map((file) => join(root, file));
}

/**
 * Runs one thing at a time over all processes of this machine. The lock is the kernel's (`flock`), held by a child
 * whose standard input this process keeps open: it is released in the moment this process ends, however it ends.
 * @throws UserError E_TOOL_MISSING without the `flock` program (package util-linux)
 */
export async function withLock<T>(name: string, work: () => Promise<T>, root = cacheRoot()): Promise<T> {
  claimCacheFolder(root);
  const file = join(root, "locks", name);
  mkdirSync(dirname(file), { recursive: true });
  // A session of its own: Ctrl-C in a terminal must not take the lock away before this process has cleaned up.
  const holder = spawn("flock", [file, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => {
    holder.once("close", () => {
      resolve();
    });
  });
  await new Promise<void>((resolve, reject) => {
    holder.once("error", (cause) => {
      reject(
        new UserError("E_TOOL_MISSING", {
          seen: 'no program "flock" on PATH',
          wanted: "flock",
          next: "apt-get install util-linux",
          cause,
        }),
      );
    });
    holder.once("exit", (code) => {
      reject(new Error(`flock ${file} ended with exit code ${code}`));
    });
    holder.stdout.once("data", () => {
      resolve();
    });
  });
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}

/** A short hash over files (by name and content; a folder means all files below it) and texts. */
export function recipeHash(files: readonly string[], texts: readonly string[] = []): string {
  const hash = createHash("sha256");
  for (const file of files.flatMap(filesBelow))
    hash
      .update(`${basename(file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  for (const text of texts) hash.update(`${text}\0`);
  return hash.digest("hex").slice(0, 12);
}

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/** What a set of source files looked like: enough to see a change without reading them. */
export function stampOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return `${file} ${stat ? `${stat.size} ${stat.mtimeMs}` : "missing"}`;
    })
    .join("\n");
}
