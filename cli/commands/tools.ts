import { prepare } from "../session";
import { openStack, stackExists } from "../stack/stack";

/** Finds or makes the tools, and says which are not the official ones. */
export async function setupCommand({ again, backend }: { again: boolean; backend?: string }): Promise<number> {
  const { notes } = await prepare({ again, announce: true, ...(backend === undefined ? {} : { stack: backend }) });
  process.stdout.write(notes.length === 0 ? "All tools are the official ones.\n" : `${notes.length} stand-ins for what cannot be had here.\n`);
  return 0;
}

/** Prints the environment that makes `pulumi` work in the user's shell, and makes the stack if it is new. */
export async function envCommand({ stack }: { stack: string }): Promise<number> {
  const before = { ...process.env };
  await prepare({ stack });
  if (!(await stackExists(stack))) await openStack(stack);
  const changed = Object.entries(process.env).filter(([key, value]) => value !== undefined && before[key] !== value);
  for (const [key, value] of changed) process.stdout.write(`export ${key}='${value!.replaceAll("'", `'\\''`)}'\n`);
  return 0;
}
