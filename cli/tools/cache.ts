import { defaultCacheFolder } from "../../infra/support/cache-folder";

/** The per-user folder for tools that were downloaded or built: BAY_E2E_CACHE, or a folder of the user's cache. */
export function cacheFolder(): string {
  return process.env["BAY_E2E_CACHE"] || defaultCacheFolder();
}
