import { delimiter } from "node:path";
import { prepare } from "../session";
import { openStack, stackExists } from "../stack/stack";

/** Finds or makes the tools, and says which are not the official ones. */
export async function setupCommand({ again, backend }: { again: boolean; backend?: string }): Promise<number> {
  const { notes } = await prepare({ again, announce: true, ...(backend === undefined ? {} : { stack: backend }) });
  process.stdout.write(
    notes.length === 0
      ? "All tools are the official ones.\n"
      : `${notes.length} stand-ins for what cannot be had here.\n`,
  );
  return 0;
}

/**
 * Returns the shell's line for a variable. Of PATH only what was added is written, before what the shell has: npm's own
 * PATH begins with `node_modules/.bin` of every folder above the checkout.
 * @param before the PATH of this process before anything was added
 */
export function exportLine(key: string, value: string, before: string): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  if (key !== "PATH") return `export ${key}=${quoted(value)}`;
  const known = before.split(delimiter);
  const added = value.split(delimiter).filter((folder) => folder !== "" && !known.includes(folder));
  return `export PATH=${added.length === 0 ? "" : quoted(added.join(delimiter) + delimiter)}"$PATH"`;
}

/** Prints the environment that makes `pulumi` work in the user's shell, and makes the stack if it is new. */
export async function envCommand({ stack }: { stack: string }): Promise<number> {
  const before = process.env["PATH"] ?? "";
  const known = { ...process.env };
  await prepare({ stack });
  if (!(await stackExists(stack))) await openStack(stack);
  const changed = Object.entries(process.env).filter(
    ([key, value]) =>
      value !== undefined && known[key] !== value && exportLine(key, value, before) !== `export PATH="$PATH"`,
  );
  for (const [key, value] of changed) process.stdout.write(`${exportLine(key, value!, before)}\n`);
  return 0;
}
