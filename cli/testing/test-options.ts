import type { Command } from "commander";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../../infra/support/errors";
import { pasteable } from "../../infra/support/exec";
import { BACKEND, STACK } from "../program";
import { nearest } from "../../infra/support/nearest";
import { secondsOf } from "../options/amounts";
import { readSelection } from "./selection";
import { type Suite, SUITES } from "./test-files";

/** What e2e and test have in common: which tests, how, and what becomes of their results. */
export interface TestOptions {
  /** The stack under test; nothing where the environment names what is tested, or where tests are only listed. */
  stack?: string;
  backend?: string;
  /** What the tests of the cluster are about. */
  suite: Suite;
  verbose: boolean;
  /** Expression of words of names. */
  k?: string;
  /** Expression of markers. */
  m?: string;
  /** Everything not serial beside each other, then the rest alone. */
  parallel: boolean;
  /** Workers; nothing for the default. */
  n?: number;
  /** Rounds in random order. */
  repeat?: number;
  seed?: number;
  /** Seconds for all tests together. */
  limit?: number;
  /** File for a JUnit report, absolute. */
  junit?: string;
  /** Only show which tests are chosen. */
  list: boolean;
}

/** Options of the main job. */
export interface E2eOptions extends TestOptions {
  stack: string;
  /** Leave the stack up at the end. */
  keep: boolean;
  /** Leave the stack up when something failed. */
  keepOnFailure: boolean;
  /** Do all of it from inside a container. */
  inContainer: boolean;
}

/** Highest seed that Jest takes. */
export const HIGHEST_SEED = 2 ** 31 - 1;

/** Adds the options. */
export function testOptions(command: Command): Command {
  return command
    .option(...STACK)
    .option(...BACKEND)
    .option("-v, --verbose", "name each test as it ends, and show Pulumi's own output", false)
    .option(
      "--suite <name>",
      "bay: Bay end to end; checkpoint: checkpoint and restore of pods; hostile: attacks on Bay, sandboxes and nodes",
      suiteOf,
      "bay",
    )
    .option("-k <expression>", "tests whose full name or file has these words; and, or, not, parentheses", (k) => {
      readSelection({ k });
      return k;
    })
    .option("-m <markers>", 'tests with these markers, such as "core and not slow"; the same grammar', (m) => {
      readSelection({ m });
      return m;
    })
    .option("--parallel", "everything not serial first, on several workers, then the serial tests one by one", true)
    .option("--no-parallel", "all tests one by one")
    .option(
      "-n <workers>",
      "how many workers; 1 is --no-parallel (default: 4, as the tests wait more than they compute)",
      (text) => (text === "auto" ? undefined : wholeNumber("-n", text, 1, 256)),
    )
    .option("--repeat <rounds>", "run E2E that often, each time in another random order, until it fails", (text) =>
      wholeNumber("--repeat", text, 1, 100_000),
    )
    .option("--seed <seed>", "the random order of this seed, as a round before printed it", (text) =>
      wholeNumber("--seed", text, 0, HIGHEST_SEED),
    )
    .option("--limit <time>", "end the tests after this time, such as 10m, and fail", (text) =>
      secondsOf(text, { option: "--limit", next: "npm run e2e -- --limit 10m" }),
    )
    .option("--junit <file>", "write a JUnit report of the whole run", junitFile)
    .option("--list", "show which tests are chosen, and run none", false);
}

/** @throws UserError E_USAGE for options that contradict each other */
export function checkOptions(options: TestOptions): void {
  if (options.parallel || options.n === undefined || options.n === 1) return;
  throw new UserError("E_USAGE", {
    seen: `--no-parallel with -n ${options.n}`,
    wanted: "one of the two",
    next: `npm test -- -n ${options.n}`,
  });
}

/** The command that runs the same tests in the order of a seed. */
export function commandOf(
  call: string,
  { stack, backend, suite, k, m, n, parallel }: TestOptions,
  words: readonly string[],
  seed: number,
): string {
  const flags = [
    ...(stack === undefined ? [] : ["--stack", stack]),
    ...(backend === undefined ? [] : ["--backend", backend]),
    ...(suite === "bay" ? [] : ["--suite", suite]),
    ...(k === undefined ? [] : ["-k", k]),
    ...(m === undefined ? [] : ["-m", m]),
    ...(n === undefined ? [] : ["-n", String(n)]),
    ...(parallel ? [] : ["--no-parallel"]),
    "--seed",
    String(seed),
    ...(words.length === 0 ? [] : ["--", ...words]),
  ];
  return `${call} -- ${pasteable(flags)}`;
}

function suiteOf(text: string): Suite {
  const found = SUITES.find((suite) => suite === text);
  if (found) return found;
  const near = nearest(text, SUITES);
  throw new UserError("E_USAGE", {
    seen: `--suite ${text}${near ? `, did you mean ${near}?` : ""}`,
    wanted: `one of ${SUITES.join(", ")}`,
    next: `npm run e2e -- --suite ${near ?? "checkpoint"}`,
  });
}

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new UserError("E_USAGE", {
    seen: `${flag} ${text}`,
    wanted: `a whole number from ${least} to ${most}`,
    next: `npm test -- ${flag} ${flag === "-n" ? 4 : Math.max(least, 7)}`,
  });
}

/** Relative to where the user stands: npm runs scripts in the checkout, and keeps the place in INIT_CWD. */
function junitFile(text: string): string {
  const file = resolve(process.env["INIT_CWD"] ?? process.cwd(), text);
  if (text !== "" && !statSync(file, { throwIfNoEntry: false })?.isDirectory()) return file;
  throw new UserError("E_USAGE", {
    seen: `--junit ${text === "" ? `""` : `${file}, which is a folder`}`,
    wanted: "the name of a file",
    next: "npm test -- --junit junit.xml",
  });
}
