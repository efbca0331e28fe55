import { execa } from "execa";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StackOutputs } from "../infra/outputs";
import { ROOT, STATE } from "./paths";

/** What Jest is asked to do. */
export interface JestRun {
  projects: string[];
  /** Folder for the results, below `artifacts/`. */
  folder: string;
  stack: string;
  /** Outputs of the stack, so that the tests need not ask Pulumi again. */
  outputs?: StackOutputs;
  /** More words for Jest's own command line. */
  extra: string[];
  signal?: AbortSignal;
}

/** How many tests there were. */
export interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
}

export interface JestResult {
  exitCode: number;
  counts: TestCounts;
}

/** Runs Jest in a session of its own with its output on ours; ends it, and all its children, when the signal fires. */
export async function runJest(jest: JestRun): Promise<JestResult> {
  const results = join(jest.folder, "jest.json");
  const outputsFile = jest.outputs ? writeOutputs(jest.outputs) : undefined;
  mkdirSync(jest.folder, { recursive: true });
  try {
    const child = execa(process.execPath, [
      join(ROOT, "node_modules", ".bin", "jest"), "--selectProjects", ...jest.projects, "--json", `--outputFile=${results}`, "--testLocationInResults", ...jest.extra,
    ], {
      cwd: ROOT, detached: true, reject: false, stdin: "ignore", stdout: "ignore", stderr: "inherit",
      env: { BAY_E2E_ARTIFACTS: jest.folder, BAY_E2E_JUNIT: join(jest.folder, "junit.xml"), BAY_E2E_STACK: jest.stack, FORCE_COLOR: process.stderr.isTTY ? "1" : "0", ...(outputsFile ? { BAY_E2E_OUTPUTS_FILE: outputsFile } : {}) },
    });
    const stop = () => { if (child.pid) process.kill(-child.pid, "SIGTERM"); };
    jest.signal?.addEventListener("abort", stop);
    const { exitCode } = await child;
    jest.signal?.removeEventListener("abort", stop);
    return { exitCode: exitCode ?? 128, counts: countsOf(results) };
  } finally {
    if (outputsFile) rmSync(outputsFile, { force: true });
  }
}

/** The outputs hold secrets: a file that only its owner may read, gone when the tests end. */
function writeOutputs(outputs: StackOutputs): string {
  const folder = join(STATE, "run");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `outputs-${process.pid}.json`);
  writeFileSync(file, JSON.stringify(outputs), { mode: 0o600 });
  return file;
}

function countsOf(file: string): TestCounts {
  if (!existsSync(file)) return { passed: 0, failed: 0, skipped: 0 };
  const result = JSON.parse(readFileSync(file, "utf8")) as { numPassedTests: number; numFailedTests: number; numPendingTests: number; numTodoTests: number; numRuntimeErrorTestSuites: number };
  return { passed: result.numPassedTests, failed: result.numFailedTests + result.numRuntimeErrorTestSuites, skipped: result.numPendingTests + result.numTodoTests };
}
