import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ARTIFACTS } from "../paths";
import type { Report } from "../report";

/** The newest report of tests against a stack; nothing where none was run here. */
export function lastReport(stack: string, folder = ARTIFACTS): Report | undefined {
  if (!existsSync(folder)) return undefined;
  const runs = readdirSync(folder)
    .filter((name) => name.includes(`-${stack}-`))
    .sort()
    .reverse();
  for (const run of runs) {
    const file = join(folder, run, "report.json");
    const report = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Report) : undefined;
    if (report?.stack === stack) return report;
  }
  return undefined;
}
