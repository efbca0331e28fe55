import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/**
 * Puts a program in front of PATH while `work` runs.
 * @param script lines of sh
 * @returns what `work` returned, and the command lines that the program was called with
 */
export async function withProgram<T>(
  name: string,
  script: string,
  work: () => T | Promise<T>,
): Promise<{ value: T; calls: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-program-"));
  const path = process.env["PATH"];
  const log = join(folder, "calls");
  writeFileSync(join(folder, name), `#!/bin/sh\necho "$*" >> '${log}'\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
  process.env["PATH"] = `${folder}${delimiter}${path ?? ""}`;
  try {
    const value = await work();
    return { value, calls: existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : [] };
  } finally {
    process.env["PATH"] = path;
    rmSync(folder, { recursive: true });
  }
}
