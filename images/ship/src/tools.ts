import { accessSync, constants } from "node:fs";
import path from "node:path";
import { loginEnv } from "./shell";

/** The programs that a sandbox is promised. */
export const TOOLS = ["python3", "python", "node", "npm", "pnpm", "git", "curl", "ps", "tar", "gzip"] as const;

/** Those of them that are on no login shell's PATH in this image: a base that lacks one is told apart at the start. */
export function missingTools(home: string): string[] {
  const folders = loginEnv(home)["PATH"]!.split(":");
  return TOOLS.filter((tool) => !folders.some((folder) => isProgram(path.join(folder, tool))));
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
