import { styleText } from "node:util";
import { chooseStack, type Wish } from "../stack/choose";
import type { Status } from "../doctor/check";
import { examine, type Row } from "../doctor/run";
import { subjectOf } from "../doctor/subject";
import { probeDocker } from "../probe/docker";
import { table } from "../table";

const COLOURS = { ok: "green", warn: "yellow", fail: "red" } as const satisfies Record<Status, string>;

/** Prints what a stack needs of this host and what was found. Exit code 2 where something fails, 0 with warnings. */
export async function doctorCommand({ json, ...wish }: Wish & { json: boolean }): Promise<number> {
  const stack = await chooseStack(wish, "look");
  await useTools();
  const subject = await subjectOf(stack, wish.backend);
  const rows = await examine(subject);
  const failed = rows.filter(({ status }) => status === "fail").length;
  if (json)
    process.stdout.write(
      `${JSON.stringify({ stack, backend: subject.backend, checks: rows.map(({ name, status, found, needed, fix, code }) => ({ name, status, found, needed, fix, code })) }, null, 2)}\n`,
    );
  else process.stdout.write(`${render(rows)}\n\n${summary(rows, stack, subject.backend)}\n`);
  return failed > 0 ? 2 : 0;
}

/** Tools that setup made before are found, so that they are not reported as missing; nothing is made for a look. */
async function useTools(): Promise<void> {
  const { prepareTools, toolsPrepared } = await import("../tools/setup");
  if (!toolsPrepared() || (await probeDocker()).info === undefined) return;
  const tools = await prepareTools(() => undefined, { signal: AbortSignal.timeout(5_000) }).catch(() => ({ env: {} }));
  Object.assign(process.env, tools.env);
}

/**
 * Characters of a line of a log or a pipe: its rows are sentences to be read, not records for a script, which has
 * `--json`.
 */
const LOG_WIDTH = 120;

/**
 * Lays out the checks as a table; those that are well have no fix.
 * @param width characters of a line; default the terminal's, or 120 where the output is no terminal
 */
export function render(rows: readonly Row[], width = process.stdout.columns ?? LOG_WIDTH): string {
  const colour = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  const paint = (text: string) => {
    const status = text.trim() as Status;
    return colour && status in COLOURS ? styleText(COLOURS[status], text) : text;
  };
  const cells = rows.map(({ name, status, found, needed, fix }) => [name, status, found, needed, fix ?? ""]);
  return table(
    [
      { title: "check", min: 12 },
      { title: "is", min: 4, paint },
      { title: "found", min: 20 },
      { title: "needed", min: 16 },
      { title: "fix", min: 16 },
    ],
    cells,
    width,
  );
}

function summary(rows: readonly Row[], stack: string, backend: string): string {
  const count = (status: Status) => rows.filter((row) => row.status === status).length;
  const verdict =
    count("fail") > 0 ? "it cannot come up like this" : count("warn") > 0 ? "it can come up" : "all is well";
  return `Stack ${stack}, backend ${backend}: ${count("ok")} ok, ${count("warn")} warnings, ${count("fail")} failures: ${verdict}.`;
}
