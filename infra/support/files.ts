import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Writes a file, and its folders, so that who reads it meanwhile sees all of the old one or all of the new.
 * @param mode permission bits of the file; default 0o644. Folders that are made get the same with the right to enter.
 */
export function writeWhole(file: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(file), { recursive: true, mode: mode | ((mode & 0o444) >> 2) });
  const whole = `${file}.${process.pid}.tmp`;
  writeFileSync(whole, content, { mode });
  renameSync(whole, file);
}
