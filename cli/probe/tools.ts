import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Path of a program as a shell would find it; nothing where there is none. */
export async function onPath(program: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  for (const folder of (env["PATH"] ?? "").split(delimiter).filter(Boolean)) {
    const file = join(folder, process.platform === "win32" ? `${program}.exe` : program);
    if (await isProgram(file)) return file;
  }
  return undefined;
}

async function isProgram(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    async () => (await stat(file)).isFile(),
    () => false,
  );
}
