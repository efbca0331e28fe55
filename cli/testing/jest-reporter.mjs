// Jest loads reporters without compiling them, hence no TypeScript. Gives the runner all that Jest knows at its end,
// and the pattern of `-t`, which tells tests that were filtered out from those that are skipped in the source.
import { writeFileSync } from "node:fs";

export default class ResultsReporter {
  constructor(globalConfig) {
    this.testNamePattern = globalConfig.testNamePattern;
  }

  onRunComplete(_contexts, results) {
    const file = process.env.BAY_E2E_RESULTS;
    if (file) writeFileSync(file, JSON.stringify({ testNamePattern: this.testNamePattern, results }, leaveOut));
  }
}

/** Values of failed assertions may refer to themselves; their text is in the messages. */
function leaveOut(key, value) {
  return key === "failureDetails" || key === "coverageMap" || key === "openHandles" ? undefined : value;
}
