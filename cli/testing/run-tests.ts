import { formatTestResults, type AggregatedResult } from "@jest/test-result";
import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { StackOutputs } from "../../infra/outputs";
import { UserError } from "../../infra/support/errors";
import { onInterrupt } from "../interrupt";
import { type JestResult, mayChoose, runJest } from "./jest";
import { ofRound, writeJunit } from "./junit";
import { duration } from "../progress";
import { countsOf, merged, slowestOf, type Test, type TestCounts, type TimedTest } from "./results";
import { conditionOf, fulfils, readSelection, type Selection, type Share } from "./selection";
import { checkOptions, commandOf, HIGHEST_SEED, type TestOptions } from "./test-options";
import { type Project, testFile } from "./test-files";

/** Which tests to run, and against what. */
export interface TestPlan {
  /** How the user calls the command, for the lines that say what to run next. */
  call: string;
  projects: Project[];
  options: TestOptions;
  /** Words for Jest. */
  words: string[];
  /** Folder of the run. */
  folder: string;
  outputs?: StackOutputs;
  /** The tests that are chosen, where they were looked up before. */
  chosen?: readonly Test[];
  /** File for what Jest prints; default: standard error. */
  output?: string;
  signal?: AbortSignal;
}

/** One phase of a round: one start of Jest. */
export interface PhaseReport extends TestCounts {
  name: Share | "all";
  ms: number;
}

export interface RoundReport {
  round: number;
  /** Absent in the files' own order. */
  seed?: number;
  phases: PhaseReport[];
}

/** What became of a plan. */
export interface TestRun {
  passed: boolean;
  counts: TestCounts;
  rounds: RoundReport[];
  /** The ten that took longest. */
  slowest: TimedTest[];
  /** Names of the tests that were skipped, with what they lack. */
  skips: string[];
  reconnects: number;
}

/**
 * The tests that a plan chooses, by their files, without running them and without a stack.
 * @throws UserError E_USAGE for a filter that cannot be read, E_NO_TESTS for one that chooses none, E_INTERRUPTED
 */
export async function listTests(plan: Omit<TestPlan, "folder">): Promise<Test[]> {
  checkOptions(plan.options);
  const selection = readSelection(plan.options);
  const projects = plan.projects.filter((project) => mayChoose(selection, undefined, project));
  if (projects.length === 0) throw noTests(plan);
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-list-"));
  const interrupt = onInterrupt("stopping", () => "Left at once.");
  try {
    const { tests, broken, exitCode } = await runJest({
      projects,
      folder,
      artifacts: folder,
      selection,
      listOnly: true,
      extra: plan.words,
      signal: interrupt.signal,
    });
    if (interrupt.received)
      throw new UserError("E_INTERRUPTED", {
        seen: interrupt.received,
        wanted: "the list of the tests",
        next: `${plan.call} -- --list`,
      });
    if (tests.length === 0 && broken.length === 0 && exitCode === 0) throw noTests(plan);
    return tests;
  } finally {
    interrupt.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The tests for a person or a program: `file:line` and the full name, one a line. */
export function printTests(tests: readonly Test[]): void {
  const sorted = [...tests].sort((a, b) => a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0));
  for (const { file, line, name } of sorted)
    process.stdout.write(`${file}${line === undefined ? "" : `:${line}`}\t${name}\n`);
  say(tests.length === 1 ? "1 test" : `${tests.length} tests`);
}

/** Whether a plan chooses among its tests. */
export function isFiltered({ options, words }: Pick<TestPlan, "options" | "words">): boolean {
  return options.k !== undefined || options.m !== undefined || words.length > 0;
}

/**
 * Runs the tests of a plan in its rounds and phases and writes their results into the run's folder.
 * @throws UserError E_USAGE as listTests, E_NO_TESTS when no test was chosen
 */
export async function runTests(plan: TestPlan): Promise<TestRun> {
  checkOptions(plan.options);
  const { repeat = 1, seed, junit } = plan.options;
  const isRandom = plan.options.repeat !== undefined || seed !== undefined;
  const first = seed ?? randomInt(HIGHEST_SEED - repeat);
  const rounds: Round[] = [];
  for (let round = 1; round <= repeat && rounds.every(passed) && !plan.signal?.aborted; round += 1) {
    const order = isRandom ? (first + round - 1) % (HIGHEST_SEED + 1) : undefined;
    if (order !== undefined) say(`\n${repeat > 1 ? `Round ${round} of ${repeat}` : "Random order"}, seed ${order}`);
    rounds.push(await new Round(plan, round, order).run());
  }
  if (rounds.every(({ isEmpty }) => isEmpty) && !plan.signal?.aborted) throw noTests(plan);
  const failed = rounds.find((round) => !passed(round));
  if (failed?.seed !== undefined && !plan.signal?.aborted)
    say(
      `\nRound ${failed.number} failed, seed ${failed.seed}. The same order again: ${commandOf(plan.call, plan.options, plan.words, failed.seed)}`,
    );
  await writeResults(
    rounds,
    repeat > 1,
    [join(plan.folder, "junit.xml"), ...(junit === undefined ? [] : [junit])],
    join(plan.folder, "jest.json"),
  );
  return reportOf(rounds, repeat > 1);
}

/** The totals, the skipped and the slowest tests, for a person. */
export function describeRun({ counts, slowest, skips }: Pick<TestRun, "counts" | "slowest" | "skips">): string[] {
  const { passed: ok, failed, skipped, notRun } = counts;
  const rows = slowest.map(
    ({ ms, name, file, line, round }) =>
      `    ${duration(ms).padStart(8)}  ${name}  (${file}${line === undefined ? "" : `:${line}`}${round === undefined ? "" : `, round ${round}`})`,
  );
  return [
    `  tests      ${ok} passed, ${failed} failed, ${skipped} skipped${notRun > 0 ? `, ${notRun} not run` : ""}`,
    ...skips.map((name) => `    skipped  ${name}`),
    ...(rows.length > 0 ? ["  slowest", ...rows] : []),
  ];
}

/** One round: its phases one after another. A failed one ends it. */
class Round {
  readonly #plan: TestPlan;
  readonly #selection: Selection;
  readonly results: { name: PhaseReport["name"]; result: JestResult }[] = [];
  notRun = 0;

  constructor(
    plan: TestPlan,
    readonly number: number,
    readonly seed: number | undefined,
  ) {
    this.#plan = plan;
    this.#selection = readSelection(plan.options);
  }

  /** Whether no test was chosen in it. */
  get isEmpty(): boolean {
    return this.results.every(
      ({ result }) => result.exitCode === 0 && result.tests.length + result.broken.length === 0,
    );
  }

  async run(): Promise<this> {
    const {
      options: { n, parallel },
      signal,
    } = this.#plan;
    const shares = parallel && n !== 1 ? (["parallel", "serial"] as const) : [undefined];
    let chosen = this.#plan.chosen;
    for (const share of shares) {
      const tests = chosen?.filter(({ file, name }) =>
        fulfils(conditionOf(this.#selection, testFile(file), share), name),
      );
      const projects = this.#projects(share, tests);
      if (projects.length === 0 || signal?.aborted) continue;
      if (!passed(this)) {
        this.notRun = tests?.length ?? 0;
        say(`\nThe serial tests are not run, because others failed before${tests ? `: ${tests.length} of them` : ""}.`);
        continue;
      }
      if (this.results.length > 0) say("\nSerial tests, one by one");
      const result = await this.#phase(share, projects, tests);
      this.results.push({ name: share ?? "all", result });
      chosen ??= [...result.tests, ...result.leftOut];
    }
    return this;
  }

  /** Unit tests need no second round beside E2E. */
  #projects(share: Share | undefined, tests: readonly Test[] | undefined): Project[] {
    const { projects } = this.#plan;
    return projects.filter((project) => {
      if (project === "unit" && projects.length > 1 && this.number > 1) return false;
      return (
        mayChoose(this.#selection, share, project) &&
        (tests === undefined || tests.some(({ file }) => testFile(file).project === project))
      );
    });
  }

  #phase(share: Share | undefined, projects: Project[], tests: readonly Test[] | undefined): Promise<JestResult> {
    const { options, folder, outputs, output, words, signal } = this.#plan;
    const workers = share === "parallel" ? options.n : 1;
    return runJest({
      projects,
      folder: join(folder, "jest", `${this.number}-${share ?? "all"}`),
      artifacts: folder,
      selection: this.#selection,
      verbose: options.verbose,
      extra: words,
      ...(options.stack === undefined ? {} : { stack: options.stack }),
      ...(outputs ? { outputs } : {}),
      ...(output ? { output } : {}),
      ...(share ? { share } : {}),
      ...(workers === undefined ? {} : { workers }),
      ...(tests ? { files: new Set(tests.map(({ file }) => file)) } : {}),
      ...(this.seed === undefined ? {} : { seed: this.seed }),
      ...(signal ? { signal } : {}),
    });
  }
}

function passed({ results }: Round): boolean {
  return results.every(({ result }) => result.exitCode === 0);
}

function reportOf(rounds: readonly Round[], several: boolean): TestRun {
  const results = rounds.flatMap((round) => round.results.map(({ result }) => result));
  const notRun = rounds.reduce((sum, round) => sum + round.notRun, 0);
  return {
    passed: rounds.every(passed),
    counts: { ...countsOf(results), notRun },
    reconnects: results.reduce((sum, { reconnects }) => sum + reconnects, 0),
    slowest: slowestOf(
      rounds.flatMap((round) =>
        round.results.flatMap(({ result }) =>
          result.tests.map((test) => ({ ...test, ...(several ? { round: round.number } : {}) })),
        ),
      ),
    ),
    skips: [
      ...new Set(
        results.flatMap(({ tests }) => tests.filter(({ state }) => state === "skipped").map(({ name }) => name)),
      ),
    ],
    rounds: rounds.map((round) => ({
      round: round.number,
      ...(round.seed === undefined ? {} : { seed: round.seed }),
      phases: round.results.map(({ name, result }) => ({ name, ms: result.ms, ...countsOf([result]) })),
    })),
  };
}

async function writeResults(rounds: readonly Round[], several: boolean, junit: string[], json: string): Promise<void> {
  const results = rounds.flatMap(({ number, results: phases }) =>
    phases.flatMap(({ result }): AggregatedResult[] =>
      result.results ? [several ? ofRound(result.results, number) : result.results] : [],
    ),
  );
  const all = merged(results);
  if (!all) return;
  for (const file of junit) {
    mkdirSync(dirname(file), { recursive: true });
    await writeJunit(file, all);
  }
  writeFileSync(json, JSON.stringify(formatTestResults(all)));
}

function noTests({ options, words, call, projects }: Omit<TestPlan, "folder">): UserError {
  const filter = [
    ...(options.k === undefined ? [] : [`-k "${options.k}"`]),
    ...(options.m === undefined ? [] : [`-m "${options.m}"`]),
    ...(words.length === 0 ? [] : [`-- ${words.join(" ")}`]),
  ].join(" ");
  const kinds = projects
    .map((project) => ({ unit: "unit", e2e: "E2E", checkpoint: "checkpoint", hostile: "hostile" })[project])
    .join(" or ");
  const missing = projects.some((project) => project !== "unit")
    ? ""
    : `; E2E tests are not run, because the stack ${options.stack} is not up`;
  return new UserError("E_NO_TESTS", {
    seen: `no ${kinds} test matches ${filter === "" ? "(there are none)" : filter}${missing}`,
    wanted: "at least one test",
    next: missing === "" ? `${call} -- --list` : "npm run e2e (with the same filter), or npm run up first",
  });
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
