// Of a Jest result: first a line with the numbers of passed and of failed tests, then each failed one with the start of
// its message.
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";

const LINES = 25;
const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, testResults } = JSON.parse(
  readFileSync(process.argv[2], "utf8"),
);
console.log(numPassedTests, numFailedTests + numRuntimeErrorTestSuites);
for (const { name, status, message, assertionResults } of testResults) {
  const failed = assertionResults
    .filter((test) => test.status === "failed")
    .map((test) => [test.fullName, test.failureMessages.join("\n")]);
  // A file that could not be loaded has no tests.
  if (status === "failed" && failed.length === 0) failed.push(["the file itself", message]);
  for (const [test, said] of failed) {
    console.log(`\nFAILED ${relative(process.cwd(), name)}: ${test}`);
    console.log(
      stripVTControlCharacters(said)
        .split("\n")
        .slice(0, LINES)
        .map((line) => `  ${line}`)
        .join("\n"),
    );
  }
}
