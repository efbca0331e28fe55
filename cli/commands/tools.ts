import { execa } from "execa";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PREFIX } from "../../infra/naming";
import { tail, tryRun } from "../../infra/support/exec";
import { cacheFolder } from "../cache";
import { ROOT } from "../paths";
import { prepare } from "../session";
import { openStack, stackExists } from "../stack";

/** Finds or makes the tools, and says which are not the official ones. */
export async function setupCommand({ again, backend }: { again: boolean; backend?: string }): Promise<number> {
  const { notes } = await prepare({ again, ...(backend === undefined ? {} : { stack: backend }) });
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

/** Removes what stays between runs: the images that were built here, and the fallback's cache. */
export async function cleanCommand(): Promise<number> {
  for (const image of await builtImages()) {
    const { exitCode, stderr } = await tryRun(["docker", "image", "rm", image]);
    process.stdout.write(exitCode === 0 ? `removed image ${image}\n` : `kept image ${image}: ${tail(stderr, 1)}\n`);
  }
  const offline = join(ROOT, "offline", "main.ts");
  if (existsSync(offline)) await execa(process.execPath, ["--import", "tsx", offline, "clean"], { cwd: ROOT, stdio: "inherit" });
  rmSync(join(cacheFolder(), "official"), { recursive: true, force: true });
  rmSync(join(cacheFolder(), "fallback.json"), { force: true });
  return 0;
}

/** References of the images that stacks of any checkout built; empty where no Docker answers. */
async function builtImages(): Promise<string[]> {
  const filters = ["bay", "ship"].flatMap((name) => ["--filter", `reference=${PREFIX}/${name}`]);
  const { stdout } = await tryRun(["docker", "image", "ls", ...filters, "--format", "{{.Repository}}:{{.Tag}}"]).catch(() => ({ stdout: "" }));
  return stdout.split("\n").filter(Boolean);
}
