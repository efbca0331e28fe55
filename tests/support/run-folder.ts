import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(__dirname, "../..");

/**
 * The folder of this run's evidence: `BAY_E2E_ARTIFACTS` where the runner named one, else
 * `artifacts/<UTC time>-<pid>` in the repository. The first call of the main process fixes it for its workers.
 */
export function runFolder(): string {
  const named = process.env["BAY_E2E_ARTIFACTS"];
  const folder = resolve(ROOT, named ?? join("artifacts", `${new Date().toISOString().replace(/[:.]/g, "-")}-${process.pid}`));
  process.env["BAY_E2E_ARTIFACTS"] = folder;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Writes a file of the run's folder, readable by its owner alone. Who reads it meanwhile sees all of the old one or of the new. */
export function writeArtifact(path: string, content: string | object): void {
  const file = join(runFolder(), path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const whole = `${file}.${process.pid}.tmp`;
  writeFileSync(whole, typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(whole, file);
}
