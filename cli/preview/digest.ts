import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** Digest of words and of all that lies at some paths: names and contents, but for what is made or installed there. */
export function digestOf(words: readonly string[], paths: readonly string[]): string {
  const hash = createHash("sha256").update(words.join("\0"));
  for (const path of paths) {
    for (const file of filesAt(path)) hash.update(`\0${relative(path, file)}\0`).update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 32);
}

function filesAt(path: string): string[] {
  if (!existsSync(path)) return [];
  const walk = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      if (["dist", "node_modules", ".git"].includes(entry.name)) return [];
      const place = join(folder, entry.name);
      return entry.isDirectory() ? walk(place) : entry.isFile() ? [place] : [];
    });
  return (statSync(path).isFile() ? [path] : walk(path)).sort();
}
