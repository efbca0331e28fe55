import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { ROOT } from "../lifecycle/host";
import { npmRun } from "../lifecycle/runner";
import type { StackOutputs } from "../../infra/outputs";
import { parseOutputs } from "../support/outputs";

/**
 * Words that choose the smaller part of the suite's core, for a way to a cluster on which the rest of it would tell
 * nothing new.
 */
export const SOME = ["-k", "auth or lifecycle"];

/** How a command of the runner ended. */
export interface Ended {
  code: number;
  output: string;
}

/** Runs `npm run …` to its end. */
export async function npm(...words: string[]): Promise<Ended> {
  const run = npmRun(words);
  return { code: await run.done, output: run.output() };
}

/** A stack's file for as long as the tests of a file run; `down` and removal go last. */
export function stackFile(name: string, config: Record<string, unknown>): string {
  const file = join(ROOT, "stacks", `Pulumi.${name}.yaml`);
  writeFileSync(
    file,
    stringify({ config: Object.fromEntries(Object.entries(config).map(([key, value]) => [`bay-e2e:${key}`, value])) }),
  );
  return name;
}

/** Takes a stack of `stackFile` down, and its file away. */
export async function removeStack(name: string): Promise<void> {
  const { code, output } = await npm("down", "--", "--stack", name);
  rmSync(join(ROOT, "stacks", `Pulumi.${name}.yaml`), { force: true });
  if (code !== 0) throw new Error(output);
}

/**
 * A stack for one test, without checkpoints unless it says so; what its work gives is given back once the stack is
 * gone.
 */
export async function withStack<T>(
  name: string,
  config: Record<string, unknown>,
  work: (stack: string) => Promise<T>,
): Promise<T> {
  stackFile(name, { checkpoint: "false", ...config });
  try {
    return await work(name);
  } finally {
    await removeStack(name);
  }
}

/** Runs a program with the tools and the state that the runner uses for a stack; gives what it printed. */
export async function withTools(
  stack: string,
  [program, ...words]: [string, ...string[]],
  input = "",
): Promise<string> {
  const { code, output } = await npm("env", "--silent", "--", "--stack", stack);
  if (code !== 0) throw new Error(output);
  const exports = output
    .split("\n")
    .filter((line) => line.startsWith("export "))
    .join("\n");
  return execFileSync("sh", ["-c", `eval "$1"; shift; exec "$@"`, "sh", exports, program, ...words], {
    encoding: "utf8",
    cwd: ROOT,
    input,
  });
}

/** The outputs of a stack that is up, secrets among them. */
export async function outputsOf(stack: string): Promise<StackOutputs> {
  return parseOutputs(
    `the outputs of ${stack}`,
    await withTools(stack, [
      "pulumi",
      "stack",
      "output",
      "--json",
      "--show-secrets",
      "--non-interactive",
      "--stack",
      stack,
    ]),
  );
}

/**
 * The kubeconfig of a stack that is up, as a file of this suite's own; its context gets another name where one is
 * given.
 */
export async function kubeconfigOf(stack: string, context?: string): Promise<string> {
  const folder = join(ROOT, "artifacts", "backends");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${stack}-${context ?? "own"}.yaml`);
  const { code, output } = await npm("kubeconfig", "--silent", "--", "--stack", stack);
  const text = output.slice(output.indexOf("apiVersion:"));
  if (code !== 0) throw new Error(output);
  const config = parse(text) as { "current-context": string; contexts: { name: string }[] };
  if (context) {
    config.contexts.find(({ name }) => name === config["current-context"])!.name = context;
    config["current-context"] = context;
  }
  writeFileSync(file, stringify(config), { mode: 0o600 });
  return file;
}

/** The current context of a kubeconfig file. */
export function currentContext(file: string): string {
  return (parse(readFileSync(file, "utf8")) as { "current-context": string })["current-context"];
}
