import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AggregatedResult,
  createEmptyTestResult,
  formatTestResults,
  makeEmptyAggregatedTestResult,
  type TestResult,
} from "@jest/test-result";
import { ofRound, writeJunit } from "../../../cli/testing/junit";
import { ROOT } from "../../../cli/paths";
import { countsOf, merged, type Outcome, outcomeOf, readOutcome, slowestOf } from "../../../cli/testing/results";

type Status = "passed" | "failed" | "pending";

/** A Jest result of files with tests, each of a name, a status and milliseconds. */
function resultOf(files: Record<string, [string, Status, number][]>): AggregatedResult {
  const testResults = Object.entries(files).map(([file, tests]): TestResult => ({
    ...createEmptyTestResult(),
    testFilePath: join(ROOT, file),
    perfStats: {
      start: 1000,
      end: 2000,
      runtime: 1000,
      slow: false,
      loadTestEnvironmentStart: 0,
      loadTestEnvironmentEnd: 0,
      setupAfterEnvStart: 0,
      setupAfterEnvEnd: 0,
      setupFilesStart: 0,
      setupFilesEnd: 0,
    },
    numPassingTests: tests.filter(([, status]) => status === "passed").length,
    numFailingTests: tests.filter(([, status]) => status === "failed").length,
    numPendingTests: tests.filter(([, status]) => status === "pending").length,
    testResults: tests.map(([title, status, duration], line) => ({
      ancestorTitles: ["block"],
      title,
      fullName: `block ${title}`,
      status,
      duration,
      location: { line, column: 1 },
      failureMessages: status === "failed" ? ["why <&>"] : [],
      failureDetails: [],
      numPassingAsserts: 0,
    })),
  }));
  return { ...makeEmptyAggregatedTestResult(), testResults, startTime: 500, success: true };
}

const FIRST = {
  "tests/e2e/a.test.ts": [
    ["one", "passed", 30],
    ["two", "failed", 20],
    ["three", "pending", 0],
  ],
  "tests/e2e/b.test.ts": [["four", "pending", 0]],
} satisfies Parameters<typeof resultOf>[0];

describe("Jest's result", () => {
  test("has tests that are skipped in the source, and those that a filter left out, by the same status: here they are told apart", () => {
    const outcome = outcomeOf({ results: resultOf(FIRST) }, ({ name }) => name !== "block four");
    expect(outcome.tests.map(({ name, state }) => [name, state])).toEqual([
      ["block one", "passed"],
      ["block two", "failed"],
      ["block three", "skipped"],
    ]);
    expect(outcome.leftOut).toEqual([{ name: "block four", file: "tests/e2e/b.test.ts", line: 0 }]);
    expect(countsOf([outcome])).toEqual({ passed: 1, failed: 1, skipped: 1, notRun: 0 });
    expect(outcome.results).toMatchObject({ numTotalTests: 3, numPendingTests: 1, numTotalTestSuites: 1 });
  });

  test("does not hold what Jest's own -t left out", () => {
    const outcome = outcomeOf({ testNamePattern: "ONE|two", results: resultOf(FIRST) }, () => true);
    expect([outcome.tests.map(({ name }) => name), outcome.leftOut]).toEqual([["block one", "block two"], []]);
  });

  test("with a file that cannot be run counts it as failed", () => {
    const results = resultOf({ "tests/e2e/a.test.ts": [] });
    results.testResults[0]!.testExecError = { message: "no such module", stack: "" };
    const outcome = outcomeOf({ results }, () => true);
    expect([outcome.broken, countsOf([outcome]).failed, outcome.results?.numRuntimeErrorTestSuites]).toEqual([
      ["tests/e2e/a.test.ts"],
      1,
      1,
    ]);
  });

  test("that is not there is no test at all", () => {
    expect(readOutcome("/nonexistent", () => true)).toEqual({ tests: [], broken: [], leftOut: [] });
  });
});

test("the slowest tests come first, and skipped ones not at all", () => {
  const { tests } = outcomeOf({ results: resultOf(FIRST) }, () => true);
  expect(slowestOf([...tests].reverse()).map(({ name, ms }) => [name, ms])).toEqual([
    ["block one", 30],
    ["block two", 20],
  ]);
  expect(slowestOf(tests, 1)).toHaveLength(1);
});

describe("several results as one", () => {
  let folder: string;
  let all: AggregatedResult;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "junit-"));
    const parts: Outcome[] = [
      outcomeOf({ results: resultOf(FIRST) }, ({ name }) => name !== "block four"),
      outcomeOf({ results: resultOf({ "tests/e2e/b.test.ts": [["four", "passed", 5]] }) }, () => true),
    ];
    all = merged(parts.map(({ results }, index) => ofRound(results!, index + 1)))!;
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test("have the sums of their tests", () => {
    expect(formatTestResults(all)).toMatchObject({
      numPassedTests: 2,
      numFailedTests: 1,
      numPendingTests: 1,
      numTotalTests: 4,
      numRuntimeErrorTestSuites: 0,
      numTotalTestSuites: 2,
    });
    expect(merged([])).toBeUndefined();
  });

  test("make one JUnit report with the right totals at its root, and no test that was left out", async () => {
    const file = join(folder, "junit.xml");
    await writeJunit(file, all);
    expect(existsSync(file)).toBe(true);
    const xml = readFileSync(file, "utf8");
    expect(xml).toMatch(/<testsuites name="bay-e2e" tests="4" failures="1" errors="0"/);
    expect(xml.match(/<testcase /g)).toHaveLength(4);
    expect(xml.match(/<testsuite name="[^"]*"/g)).toEqual([
      `<testsuite name="block, round 1"`,
      `<testsuite name="block, round 2"`,
    ]);
    expect(xml).toMatch(/file="tests\/e2e\/a\.test\.ts"/);
    expect(xml).toMatch(/<failure>why &lt;&amp;&gt;<\/failure>/);
    expect(xml.match(/<skipped\/>/g)).toHaveLength(1);
  });
});
