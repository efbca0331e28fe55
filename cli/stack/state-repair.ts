import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Tell } from "../progress";
import { localStack } from "./state";

/**
 * Puts right a stack's files in the local backend after a kill in the middle of a write. The backend writes a
 * file under another name and renames it, but writes its attributes (`.attrs`) in place: left empty, they make
 * every later command end with "failed to load checkpoint: EOF". Attributes hold nothing that is needed.
 * To be called when nobody has the stack.
 */
export function repairState(stack: string, tell: Tell): void {
  const file = localStack(stack)?.file;
  if (!file || !existsSync(dirname(file))) return;
  const own = readdirSync(dirname(file))
    .filter((name) => name.startsWith(`${basename(file)}.`))
    .map((name) => join(dirname(file), name));
  for (const path of own.filter((one) => one.endsWith(".tmp") || (one.endsWith(".attrs") && !isJson(one)))) {
    tell(`removing ${basename(path)}, whose writing was cut off`);
    rmSync(path, { force: true });
  }
  const backup = `${file}.bak`;
  if (existsSync(file) && !isJson(file) && existsSync(backup) && isJson(backup)) {
    tell(`the state's writing was cut off: going on with the one before, ${basename(backup)}`);
    copyFileSync(backup, file);
  }
}

function isJson(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, "utf8"));
    return true;
  } catch {
    return false;
  }
}
