import type { AggregatedResult, TestResult } from "@jest/test-result";
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";
import { ROOT } from "../paths";

/** How many tests there were. */
export interface TestCounts {
  passed: number;
  failed: number;
  /** Skipped in the source; what a filter leaves out is not counted. */
  skipped: number;
  /** Chosen, and not run because something before failed. */
  notRun: number;
}

/** One test. */
export interface Test {
  /** Titles of its describe blocks and its own. */
  name: string;
  /** Path in the repository. */
  file: string;
  line?: number;
}

/** One test that was run, or skipped in the source. */
export interface TimedTest extends Test {
  state: "passed" | "failed" | "skipped";
  ms: number;
  /** Where there were several rounds. */
  round?: number;
}

/** What one start of Jest gave. */
export interface Outcome {
  tests: TimedTest[];
  /** Files that could not be run at all. */
  broken: string[];
  /** Tests that the selection left out. Those that Jest's own `-t` leaves out are nowhere. */
  leftOut: Test[];
  /** Jest's result without what was left out. */
  results?: AggregatedResult;
}

/** What jest-reporter.mjs writes. */
interface Raw {
  testNamePattern?: string;
  results: AggregatedResult;
}

/**
 * Reads what the reporter left; nothing where Jest ended before it ran any file. @param wanted whether a test was
 * chosen
 */
export function readOutcome(file: string, wanted: (test: Test) => boolean): Outcome {
  if (!existsSync(file)) return { tests: [], broken: [], leftOut: [] };
  return outcomeOf(JSON.parse(readFileSync(file, "utf8")) as Raw, wanted);
}

/**
 * Jest tells a test that a filter left out by the same status as one that is skipped in the source: the first does not
 * match a filter, the second does.
 */
export function outcomeOf({ testNamePattern, results }: Raw, wanted: (test: Test) => boolean): Outcome {
  const filter = new RegExp(testNamePattern ?? "", "i");
  const chosen = (suite: TestResult, { status, ...assertion }: Assertion) =>
    status !== "pending" || (filter.test(assertion.fullName) && wanted(testOf(suite, assertion)));
  const suites = results.testResults.map((suite) => ({
    suite,
    kept: suite.testResults.filter((test) => chosen(suite, test)),
  }));
  const left = suites.flatMap(({ suite, kept }) =>
    suite.testResults
      .filter((test) => !kept.includes(test) && filter.test(test.fullName))
      .map((test) => testOf(suite, test)),
  );
  const isBroken = ({ testExecError, testResults }: TestResult) =>
    testExecError !== undefined && testExecError !== null && testResults.length === 0;
  const full = suites
    .filter(({ suite, kept }) => kept.length > 0 || isBroken(suite))
    .map(({ suite, kept }) => withTests(suite, kept));
  return {
    tests: full.flatMap((suite) =>
      suite.testResults.map((test) => ({
        ...testOf(suite, test),
        state: stateOf(test.status),
        ms: test.duration ?? 0,
      })),
    ),
    broken: full.filter(isBroken).map(({ testFilePath }) => relative(ROOT, testFilePath)),
    leftOut: left,
    results: withSuites(results, full),
  };
}

/** A file that could not be run counts as one failed test. */
export function countsOf(outcomes: readonly Outcome[]): TestCounts {
  const tests = outcomes.flatMap((outcome) => outcome.tests);
  const count = (state: TimedTest["state"]) => tests.filter((test) => test.state === state).length;
  return {
    passed: count("passed"),
    failed: count("failed") + outcomes.flatMap(({ broken }) => broken).length,
    skipped: count("skipped"),
    notRun: 0,
  };
}

/** The tests that took longest, longest first. */
export function slowestOf(tests: readonly TimedTest[], count = 10): TimedTest[] {
  return tests
    .filter(({ state }) => state !== "skipped")
    .sort((a, b) => b.ms - a.ms)
    .slice(0, count);
}

/** One result of several. @param results in the order of their start */
export function merged(results: readonly AggregatedResult[]): AggregatedResult | undefined {
  const [first] = results;
  if (!first) return undefined;
  return {
    ...withSuites(
      first,
      results.flatMap(({ testResults }) => testResults),
    ),
    success: results.every(({ success }) => success),
  };
}

type Assertion = TestResult["testResults"][number];

function testOf(suite: TestResult, { fullName, location }: Pick<Assertion, "fullName" | "location">): Test {
  return { name: fullName, file: relative(ROOT, suite.testFilePath), ...(location ? { line: location.line } : {}) };
}

function stateOf(status: Assertion["status"]): TimedTest["state"] {
  if (status === "passed" || status === "failed") return status;
  return "skipped";
}

function withTests(suite: TestResult, testResults: Assertion[]): TestResult {
  return { ...suite, testResults, numPendingTests: testResults.filter(({ status }) => status === "pending").length };
}

/** Jest's own totals, counted anew. */
function withSuites(results: AggregatedResult, testResults: TestResult[]): AggregatedResult {
  const sum = (of: (suite: TestResult) => number) => testResults.reduce((total, suite) => total + of(suite), 0);
  const suites = (holds: (suite: TestResult) => boolean) => testResults.filter(holds).length;
  const [numFailedTests, numPassedTests, numPendingTests, numTodoTests] = [
    sum((s) => s.numFailingTests),
    sum((s) => s.numPassingTests),
    sum((s) => s.numPendingTests),
    sum((s) => s.numTodoTests),
  ];
  const isBroken = ({ testExecError, testResults: tests }: TestResult) => tests.length === 0 && Boolean(testExecError);
  const failed = (suite: TestResult) => suite.numFailingTests > 0 || Boolean(suite.testExecError);
  const idle = (suite: TestResult) => !failed(suite) && suite.numPassingTests === 0;
  return {
    ...results,
    testResults,
    numFailedTests,
    numPassedTests,
    numPendingTests,
    numTodoTests,
    numTotalTests: numFailedTests + numPassedTests + numPendingTests + numTodoTests,
    numTotalTestSuites: testResults.length,
    numRuntimeErrorTestSuites: suites(isBroken),
    numFailedTestSuites: suites(failed),
    numPendingTestSuites: suites(idle),
    numPassedTestSuites: suites((suite) => !failed(suite) && !idle(suite)),
  };
}
