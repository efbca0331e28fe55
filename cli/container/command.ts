import type { E2eOptions } from "../testing/test-options";

/** Variables that a run in a container gets from the one who started it, where they are set. */
const PASSED = [
  "CEDANA_AUTH_TOKEN",
  "CEDANA_URL",
  "CLUSTER_ID",
  "RUNC_ROOT",
  "CI",
  "TZ",
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].flatMap((name) => [name, name.toLowerCase()]),
];

/** Seconds for the tests, where `--limit` does not say. */
const TEST_LIMIT = 600;

/** Names of the variables to pass; their values go by environment, never by a command line that everybody may read. */
export function passedVariables(env: NodeJS.ProcessEnv = process.env): string[] {
  return PASSED.filter((name) => env[name] !== undefined);
}

/** The command of the run inside: the same job, on a stack of its own. */
export function innerCommand(
  stack: string,
  { suite, verbose, k, m, n, parallel, repeat, seed, limit }: E2eOptions,
  words: readonly string[],
): string[] {
  const option = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [name, String(value)];
  return [
    "node",
    "cli/start.mjs",
    "e2e",
    "--stack",
    stack,
    "--suite",
    suite,
    "--limit",
    `${limit ?? TEST_LIMIT}s`,
    ...option("-k", k),
    ...option("-m", m),
    ...option("-n", n),
    ...option("--repeat", repeat),
    ...option("--seed", seed),
    ...(parallel ? [] : ["--no-parallel"]),
    ...(verbose ? ["--verbose"] : []),
    ...(words.length > 0 ? ["--", ...words] : []),
  ];
}
