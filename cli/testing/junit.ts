import type { AggregatedResult } from "@jest/test-result";
import JestJUnit from "jest-junit";
import { ROOT } from "../paths";

/** Writes a JUnit report. Where tests ran in several rounds, each suite's name says in which. */
export async function writeJunit(file: string, results: AggregatedResult): Promise<void> {
  await new JestJUnit({ rootDir: ROOT }, JUNIT_OPTIONS(file)).onRunComplete([], results);
}

/** Marks the suites of a round, for writeJunit. */
export function ofRound(results: AggregatedResult, round: number): AggregatedResult {
  return {
    ...results,
    testResults: results.testResults.map((suite) => ({
      ...suite,
      displayName: { name: `round ${round}`, color: "white" },
    })),
  };
}

const JUNIT_OPTIONS = (outputFile: string) => ({
  outputFile,
  suiteName: "bay-e2e",
  ancestorSeparator: " › ",
  addFileAttribute: "true",
  reportTestSuiteErrors: "true",
  suiteNameTemplate: ({ title, displayName }: Record<string, string>) =>
    [title ?? "tests without a block", ...(displayName?.startsWith("round ") ? [displayName] : [])].join(", "),
});
