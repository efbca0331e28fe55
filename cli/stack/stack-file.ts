import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { BackendName } from "../../infra/outputs";
import { writeWhole } from "../../infra/support/files";
import { ROOT } from "../paths";

/** First line of a stack's file that the runner made, and removes again with the stack. */
const MADE = "# Made by the runner for --backend; `npm run down` removes it with the stack.";

/** A stack's configuration file: its plain values by key. */
export interface StackFile {
  file: string;
  /** Keys of this project without their prefix; a secret value is an object with the key `secure`. */
  config: Record<string, unknown>;
}

/** The file of a stack, whether or not it is there. A stack of an organization has the file of its own name. */
export function stackFilePath(stack: string): string {
  return join(ROOT, "stacks", `Pulumi.${stack.split("/").at(-1)!}.yaml`);
}

/** Reads a stack's file; nothing where there is none. What is no YAML counts as empty: Pulumi names the place. */
export function readStackFile(stack: string): StackFile | undefined {
  const file = stackFilePath(stack);
  if (!existsSync(file)) return undefined;
  const config = configOf(readFileSync(file, "utf8"));
  return {
    file,
    config: Object.fromEntries(Object.entries(config).map(([key, value]) => [key.replace(/^bay-e2e:/, ""), value])),
  };
}

/** Names of the stacks that have a file, sorted. */
export function stacksWithFile(): string[] {
  return readdirSync(join(ROOT, "stacks"))
    .flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? [])
    .sort();
}

/** Makes the file of a stack that has none. */
export function makeStackFile(stack: string, backend: BackendName): void {
  writeFileSync(stackFilePath(stack), `${MADE}\n${stringify({ config: { "bay-e2e:backend": backend } })}`, {
    flag: "wx",
  });
}

/**
 * Makes the file of a stack, or gives it another configuration: what Pulumi needs for its secrets stays. @param config
 * by keys without prefix
 */
export function writeMadeStackFile(stack: string, config: Record<string, unknown>): void {
  const file = stackFilePath(stack);
  const salt = existsSync(file) ? /^encryptionsalt: .*$/m.exec(readFileSync(file, "utf8"))?.[0] : undefined;
  // Texts in quotes: Pulumi's YAML would read a time, or a commit of digits, as something else.
  const own = Object.fromEntries(Object.entries(config).map(([key, value]) => [`bay-e2e:${key}`, value]));
  writeWhole(
    file,
    `${MADE}\n${salt === undefined ? "" : `${salt}\n`}${stringify({ config: own }, { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" })}`,
  );
}

/** Whether the runner made a stack's file. */
export function isMadeStackFile(stack: string): boolean {
  const file = stackFilePath(stack);
  return existsSync(file) && readFileSync(file, "utf8").startsWith(MADE);
}

/** Removes a stack's file if the runner made it; one that a person wrote stays. */
export function removeMadeStackFile(stack: string): void {
  if (isMadeStackFile(stack)) rmSync(stackFilePath(stack));
}

function configOf(text: string): Record<string, unknown> {
  try {
    return (parse(text) as { config?: Record<string, unknown> } | null)?.config ?? {};
  } catch {
    return {};
  }
}
