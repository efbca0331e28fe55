import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Says of a folder that this project made it, and may remove what is in it. */
const MARK = ".bay-e2e-cache";

/**
 * Where the cache is unless `BAY_E2E_CACHE` names another place: a folder of this project's own in the user's cache.
 */
export function defaultCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "bay-e2e");
}

/** Makes a cache folder, and marks it as this project's own if nobody has put anything into it. */
export function claimCacheFolder(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, MARK), "Made by bay-e2e. `npm run clean` removes what is in this folder.\n");
}

/**
 * Whether a cache folder is this project's own. In one that the user has for more, only names that nobody else gives
 * are ours.
 */
export function isOwnCacheFolder(folder: string): boolean {
  return folder === defaultCacheFolder() || existsSync(join(folder, MARK));
}
