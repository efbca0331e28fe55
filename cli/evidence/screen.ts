import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { UserError } from "../../infra/support/errors";
import type { Evidence } from "./collect";
import { ROOT } from "../paths";
import { wrap } from "../table";

/** Lines that the last screen of a red run has at most, so that it is all to be seen in a terminal of 80x24. */
const SCREEN = 22;
const WIDTH = 79;
const FAILED_TESTS_SHOWN = 3;

export interface RedRun {
  stack: string;
  /** The run's folder. */
  folder: string;
  /** What ended the run; nothing where tests failed. */
  error?: unknown;
  tests: { passed: number; failed: number; skipped: number };
  evidence?: Evidence | undefined;
  /** Whether the stack was left up to be looked at. */
  kept: boolean;
}

/** A failed test, by the evidence that it left. */
interface FailedTest {
  name: string;
  cause: string;
  folder: string;
}

/**
 * The last screen of a run that failed: its cause, the object concerned with its last words, where the
 * evidence is, what to do next. At most 22 lines of at most 79 characters, but for what is to be pasted.
 */
export function redScreen(run: RedRun): string {
  const head = run.error === undefined ? testLines(run) : errorLines(run.error);
  const end = endLines(run);
  const concerned =
    run.error !== undefined && run.evidence
      ? concernedLines(run.evidence.folder, SCREEN - rows(head) - rows(end) - 2)
      : [];
  return ["", ...head, ...concerned, "", ...end].join("\n");
}

function errorLines(error: unknown): string[] {
  if (!(error instanceof UserError))
    return [`E_BUG: ${oneLine(error instanceof Error ? error.message : String(error))}`];
  // A cause often stands at the end of a long line.
  const seen = error.seen
    .split("\n")
    .flatMap((line) => wrap(line.trim(), WIDTH - 10))
    .slice(0, 5);
  return [
    ...error.message.split("\n").slice(0, 1),
    ...seen.map((line, at) => `  ${at === 0 ? "seen:  " : "       "} ${line}`),
    fit(`  wanted: ${error.wanted}`),
    `  next:   ${error.next}`,
    ...(error.detail ?? "")
      .trimEnd()
      .split("\n")
      .slice(-6)
      .filter((line) => line.trim() !== "")
      .map((line) => fit(`    ${line.trim()}`)),
  ];
}

function testLines({ tests, folder }: RedRun): string[] {
  const failed = failedTests(folder);
  const shown = failed
    .slice(0, FAILED_TESTS_SHOWN)
    .flatMap(({ name, cause, folder: evidence }) => [
      fit(`  ${name}`),
      fit(`      ${cause}`),
      `      ${relative(ROOT, evidence)}`,
    ]);
  return [
    // A failure after the last test, of what was left for example, counts as none.
    `${tests.failed === 0 ? "The tests failed" : `${tests.failed} of ${tests.passed + tests.failed} tests failed`}${failed.length > FAILED_TESTS_SHOWN ? `; the first ${FAILED_TESTS_SHOWN}` : ""}:`,
    ...shown,
    ...(failed.length === 0 ? ["  no test left evidence: a file could not be loaded, see above"] : []),
  ];
}

/** The tests that failed, the first to fail first. */
function failedTests(folder: string): FailedTest[] {
  const failures = join(folder, "failures");
  if (!existsSync(failures)) return [];
  return readdirSync(failures)
    .map((name) => join(failures, name))
    .filter((path) => existsSync(join(path, "error.txt")))
    .sort((a, b) => statSync(join(a, "error.txt")).mtimeMs - statSync(join(b, "error.txt")).mtimeMs)
    .map((path) => {
      const [name = "", ...rest] = stripAnsi(readFileSync(join(path, "error.txt"), "utf8")).split("\n");
      return { name, cause: causeOf(rest), folder: path };
    });
}

/** The line of a test's error that says most: what was expected and what came, else its first. */
function causeOf(lines: readonly string[]): string {
  const text = lines.map((line) => line.trim()).filter(Boolean);
  const expected = text.find((line) => line.startsWith("Expected")),
    received = text.find((line) => line.startsWith("Received"));
  return expected && received ? `${expected}; ${received}` : (text[0] ?? "");
}

/** The first pod that is not ready, or the node, with its last events and log lines. */
function concernedLines(evidence: string, limit: number): string[] {
  if (limit < 3) return [];
  const found = concernedPod(evidence) ?? concernedNode(evidence);
  if (!found) return [];
  const events = found.events.slice(-Math.max(1, Math.floor((limit - 1) / 2)));
  const log = found.log.slice(-(limit - 1 - events.length));
  return ["", fit(found.title), ...[...events, ...log].map((line) => fit(`  ${line}`))].slice(0, limit);
}

interface Concerned {
  title: string;
  events: string[];
  log: string[];
}

function concernedPod(evidence: string): Concerned | undefined {
  const cluster = join(evidence, "cluster");
  if (!existsSync(cluster)) return undefined;
  // kube-system last: what is not ready there is seldom why a pod of ours is not.
  const namespaces = readdirSync(cluster)
    .filter((name) => existsSync(join(cluster, name, "pods.txt")))
    .sort((a, b) => Number(a === "kube-system") - Number(b === "kube-system"));
  for (const namespace of namespaces) {
    const line = linesOf(join(cluster, namespace, "pods.txt")).find((pod) => {
      const [, ready, all] = / ready (\d+)\/(\d+) /.exec(pod) ?? [];
      return ready !== all;
    });
    const name = line?.split(" ")[0];
    if (!line || !name) continue;
    const logs = join(cluster, namespace, "logs", name);
    const files = existsSync(logs) ? readdirSync(logs).map((file) => join(logs, file)) : [];
    return {
      title: `Pod ${namespace}/${line}`,
      events: linesOf(join(cluster, namespace, "events.txt"))
        .filter((event) => event.includes(`Pod/${name}:`))
        .map(withoutDate),
      log:
        files
          .map(linesOf)
          .find((lines) => lines.length > 0)
          ?.map(withoutDate) ?? [],
    };
  }
  return undefined;
}

function concernedNode(evidence: string): Concerned | undefined {
  const nodes = join(evidence, "nodes");
  const name = existsSync(nodes) ? readdirSync(nodes)[0] : undefined;
  return name === undefined
    ? undefined
    : { title: `Node ${name}`, events: [], log: linesOf(join(nodes, name, "docker.log")).map(withoutDate) };
}

function endLines({ stack, evidence, kept }: RedRun): string[] {
  const missing = evidence?.missing.length ?? 0;
  return [
    ...(evidence
      ? [
          `Evidence: ${relative(ROOT, evidence.archive)}${missing > 0 ? `\n          (${missing} parts could not be had: incomplete.txt in it)` : ""}`,
        ]
      : []),
    ...(kept
      ? [`Look:     npm run status -- --stack ${stack}`, `Remove:   npm run down -- --stack ${stack}`]
      : [`Repeat:   npm run e2e -- --stack ${stack} --keep-on-failure`]),
  ];
}

function linesOf(file: string): string[] {
  return existsSync(file)
    ? stripAnsi(readFileSync(file, "utf8"))
        .split("\n")
        .filter((line) => line.trim() !== "")
    : [];
}

/** `2026-11-22T08:30:00.000Z x` as `08:30:00 x`: there is no room for more. */
function withoutDate(line: string): string {
  return line.replace(/^\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)\S*/, "$1");
}

function fit(line: string): string {
  return line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 1)}…`;
}

function oneLine(text: string): string {
  return fit(text.split("\n")[0] ?? "");
}

/** Rows that lines take in a terminal of 80 columns. */
function rows(lines: readonly string[]): number {
  return lines
    .flatMap((line) => line.split("\n"))
    .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / (WIDTH + 1))), 0);
}

function stripAnsi(text: string): string {
  // eslint-disable-next-line no-control-regex -- the escape character is what is looked for
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}
