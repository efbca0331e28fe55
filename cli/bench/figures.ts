import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../infra/support/exec";
import { ARTIFACTS } from "../paths";

/** A folder for the figures of one benchmark. */
export function benchFolder(): string {
  const folder = join(ARTIFACTS, `bench-${new Date().toISOString().replace(/[:.]/g, "-")}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Prints figures as a Markdown table and keeps all values with the host they are from. */
export async function store(folder: string, values: object, head: string[], rows: string[][]): Promise<void> {
  const file = join(folder, "figures.json");
  writeFileSync(file, `${JSON.stringify({ host: await run(["uname", "-srm"]), ...values }, null, 2)}\n`);
  const line = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  process.stdout.write(
    `${[line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n")}\n\nStored in ${file}\n`,
  );
}
