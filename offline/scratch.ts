import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheRoot, leftovers, withLock } from "./cache";

/**
 * Gives work a folder that is removed afterwards. One process at a time for each name; what an interrupted
 * process left under that name is removed first.
 */
export async function withScratch<T>(
  name: string,
  work: (folder: string) => Promise<T>,
  root = cacheRoot(),
): Promise<T> {
  return withLock(
    `scratch-${name}`,
    async () => {
      for (const stale of leftovers(`scratch-${name}-`, root)) rmSync(stale, { recursive: true, force: true });
      const folder = join(root, `.building-scratch-${name}-${process.pid}`);
      mkdirSync(folder, { recursive: true });
      try {
        return await work(folder);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    root,
  );
}
