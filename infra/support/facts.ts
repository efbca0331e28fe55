import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** Facts of one run of the program that are no state: what had to be done this time. */
export interface RunFacts {
  imageBytesLoaded?: number;
  imagesLoaded?: string[];
  /** Milliseconds from the program's start until the cluster was ready. */
  clusterReadyMs?: number;
}

/**
 * Tells the runner a fact, as a line of JSON in the file that BAY_E2E_FACTS_FILE names. Facts are not
 * outputs, because an output that changes at every `up` would make each one look like a change.
 */
export function record(facts: RunFacts): void {
  const file = process.env["BAY_E2E_FACTS_FILE"];
  if (file) appendFileSync(file, `${JSON.stringify(facts)}\n`);
}

/** The facts of all runs of the program that wrote to a file; a later one wins. */
export function readFacts(file: string): RunFacts {
  if (!existsSync(file)) return {};
  return Object.assign(
    {},
    ...readFileSync(file, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as RunFacts),
  ) as RunFacts;
}
