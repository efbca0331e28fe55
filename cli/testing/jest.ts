import { execa } from "execa";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StackOutputs } from "../../infra/outputs";
import { markTests } from "../clean-up/marks";
import { literally } from "./expression";
import { ROOT, STATE } from "../paths";
import { type Outcome, readOutcome } from "./results";
import { conditionOf, fulfils, type Selection, type Share, sourceOf } from "./selection";
import { type Project, testFile, testFiles } from "./test-files";

/** One start of Jest. */
export interface JestRun {
  projects: Project[];
  /** Folder of this start's own results. */
  folder: string;
  /** Folder of the whole run, for what the tests themselves leave, such as evidence. */
  artifacts: string;
  /** The stack under test, if there is one. */
  stack?: string;
  /** Outputs of the stack, so that the tests need not ask Pulumi again. */
  outputs?: StackOutputs;
  selection: Selection;
  /** Only tests that run beside others, or only those that run alone; without it both. */
  share?: Share;
  /** Only these files, as paths in the repository. */
  files?: ReadonlySet<string>;
  /** How many workers; 1 is this one process. Default: Jest's configuration. */
  workers?: number;
  /** Random order by this seed. */
  seed?: number;
  verbose?: boolean;
  /** Loads the files and lists their tests, and runs none. */
  listOnly?: boolean;
  /** File for what Jest prints; default: standard error. */
  output?: string;
  /** More words for Jest's own command line. */
  extra: string[];
  signal?: AbortSignal;
}

export interface JestResult extends Outcome {
  exitCode: number;
  ms: number;
  /** Times that the port-forward had to connect anew. */
  reconnects: number;
}

/**
 * Runs Jest in a session of its own with its output on ours or in a file; ends it, and all its children, when the
 * signal fires.
 */
export async function runJest(jest: JestRun): Promise<JestResult> {
  mkdirSync(jest.folder, { recursive: true });
  const start = Date.now();
  const results = join(jest.folder, "results.json");
  const outputsFile = jest.outputs ? writeOutputs(jest.outputs) : undefined;
  const printed = jest.output === undefined ? undefined : openSync(jest.output, "a");
  try {
    const child = execa(process.execPath, [join(ROOT, "node_modules", ".bin", "jest"), ...wordsOf(jest)], {
      cwd: ROOT,
      detached: true,
      reject: false,
      stdin: "ignore",
      stdout: "ignore",
      stderr: jest.listOnly ? "pipe" : (printed ?? "inherit"),
      env: {
        // Jest itself sets it only where it is not set, and libraries leave things out in production.
        NODE_ENV: "test",
        BAY_E2E_ARTIFACTS: jest.artifacts,
        BAY_E2E_RESULTS: results,
        BAY_E2E_SELECTION: writeSelection(jest),
        FORCE_COLOR: process.stderr.isTTY ? "1" : "0",
        ...(jest.stack === undefined ? {} : { BAY_E2E_STACK: jest.stack }),
        ...(outputsFile ? { BAY_E2E_OUTPUTS_FILE: outputsFile } : {}),
        ...(jest.listOnly ? { BAY_E2E_LIST: "1" } : {}),
      },
    });
    markTests(jest.stack, child.pid);
    const stop = () => {
      if (child.pid) process.kill(-child.pid, "SIGTERM");
    };
    jest.signal?.addEventListener("abort", stop);
    const { exitCode, stderr } = await child;
    jest.signal?.removeEventListener("abort", stop);
    markTests(jest.stack, undefined);
    if (jest.listOnly && exitCode !== 0 && !jest.signal?.aborted)
      process.stderr.write(`${stderr as unknown as string}\n`);
    const outcome = readOutcome(results, ({ file, name }) =>
      fulfils(conditionOf(jest.selection, testFile(file), jest.share), name),
    );
    return {
      ...outcome,
      exitCode: exitCode ?? 128,
      ms: Date.now() - start,
      reconnects: readReconnects(jest.artifacts),
    };
  } finally {
    if (printed !== undefined) closeSync(printed);
    if (outputsFile) rmSync(outputsFile, { force: true });
  }
}

/** Whether a test of a project may be chosen at all, as far as the expressions and the files tell. */
export function mayChoose(selection: Selection, share: Share | undefined, project: Project): boolean {
  return testFiles().some((file) => file.project === project && conditionOf(selection, file, share) !== false);
}

function wordsOf({ projects, workers, seed, verbose, extra, selection, share, files, listOnly }: JestRun): string[] {
  const closed = testFiles().filter(
    (file) => conditionOf(selection, file, share) === false || files?.has(file.path) === false,
  );
  return [
    "--selectProjects",
    ...projects,
    "--testLocationInResults",
    "--passWithNoTests",
    ...(listOnly ? [] : ["--reporters=default"]),
    `--reporters=${join(ROOT, "cli", "testing", "jest-reporter.mjs")}`,
    ...["/node_modules/", ...closed.map(({ path }) => `${literally(join(ROOT, path))}$`)].map(
      (pattern) => `--testPathIgnorePatterns=${pattern}`,
    ),
    ...(workers === 1 ? ["--runInBand"] : workers === undefined ? [] : [`--maxWorkers=${workers}`]),
    ...(seed === undefined
      ? []
      : ["--randomize", `--seed=${seed}`, `--testSequencer=${join(ROOT, "cli", "testing", "random-sequencer.mjs")}`]),
    ...(verbose ? ["--verbose"] : []),
    ...extra,
  ];
}

/** For tests/support/selecting-environment.ts. */
function writeSelection({ selection, share, folder, listOnly }: JestRun): string {
  const file = join(folder, "selection.json");
  const patterns = testFiles().map((file) => [file.path, sourceOf(!listOnly && conditionOf(selection, file, share))]);
  writeFileSync(file, JSON.stringify(Object.fromEntries(patterns), null, 2));
  return file;
}

/** The outputs hold secrets: a file that only its owner may read, gone when the tests end. */
function writeOutputs(outputs: StackOutputs): string {
  const folder = join(STATE, "run");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `outputs-${process.pid}.json`);
  writeFileSync(file, JSON.stringify(outputs), { mode: 0o600 });
  return file;
}

function readReconnects(folder: string): number {
  const file = join(folder, "forward.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { reconnects: number }).reconnects : 0;
}
