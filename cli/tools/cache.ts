import { homedir } from "node:os";
import { join } from "node:path";

/** The per-user folder for tools that were downloaded or built: BAY_E2E_CACHE, or a folder of the user's cache. */
export function cacheFolder(): string {
  return process.env["BAY_E2E_CACHE"] || join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bay-e2e");
}
