/** jest-junit has no types. */
declare module "jest-junit" {
  import type { AggregatedResult } from "@jest/test-result";

  export default class JestJUnit {
    constructor(globalConfig: { rootDir: string }, options: Record<string, unknown>);
    onRunComplete(contexts: unknown[], results: AggregatedResult): Promise<void>;
  }
}
