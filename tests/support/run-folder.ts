import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { writeWhole } from "../../infra/support/files";

const ROOT = resolve(__dirname, "../..");

/**
 * The folder of this run's evidence: `BAY_E2E_ARTIFACTS` where the runner named one, else
 * `artifacts/<UTC time>-<pid>` in the repository. The first call of the main process fixes it for its workers.
 */
export function runFolder(): string {
  const named = process.env["BAY_E2E_ARTIFACTS"];
  const folder = resolve(
    ROOT,
    named ?? join("artifacts", `${new Date().toISOString().replace(/[:.]/g, "-")}-${process.pid}`),
  );
  process.env["BAY_E2E_ARTIFACTS"] = folder;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/**
 * Writes a file of the run's folder, readable by its owner alone. Who reads it meanwhile sees all of the old one or of
 * the new.
 */
export function writeArtifact(path: string, content: string | object): void {
  writeWhole(
    join(runFolder(), path),
    typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`,
    0o600,
  );
}
