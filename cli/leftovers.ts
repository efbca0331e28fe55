import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { LABELS, ownerOf } from "../infra/naming";
import { run, tryRun } from "../infra/support/exec";
import { ROOT, STATE } from "./paths";
import { ancestors, isAlive, readIfThere } from "./procfs";
import { localStack } from "./state";

/** Set in the environment of a run, and so of every process that it starts, to the id of its owner. */
export const OWNER_VARIABLE = "BAY_E2E_OWNER";

/** One thing that a run left, and the command that removes it. */
export interface Leftover {
  kind: "container" | "volume" | "network" | "process" | "listener" | "file" | "stack state";
  name: string;
  remove: string;
}

/**
 * Everything of a stack that is still on this host, by its labels and places. Empty after a `down`. Images
 * are not among it: they stay, by design, for the next run.
 */
export async function leftoversOf(stack: string): Promise<Leftover[]> {
  return [...await dockerLeftovers(stack), ...processLeftovers(stack), ...fileLeftovers(), ...stateLeftovers(stack)];
}

/** Removes containers, volumes and networks that carry the stack's label: what no state knows any more. */
export async function removeByLabel(stack: string): Promise<Leftover[]> {
  const left = await dockerLeftovers(stack);
  for (const kind of ["container", "network", "volume"] as const) {
    const names = left.filter((entry) => entry.kind === kind).map((entry) => entry.name);
    if (names.length > 0) await run(["docker", kind, "rm", ...(kind === "network" ? [] : ["--force"]), ...names]);
  }
  return left;
}

/** Leftovers as lines for a person. */
export function describeLeftovers(left: readonly Leftover[]): string {
  return left.map(({ kind, name, remove }) => `${kind} ${name}   (${remove})`).join("\n");
}

async function dockerLeftovers(stack: string): Promise<Leftover[]> {
  const filter = `label=${LABELS.owner}=${ownerOf(ROOT, stack).id}`;
  const list = async (kind: "container" | "volume" | "network", argv: [string, ...string[]]): Promise<Leftover[]> => {
    const { stdout, exitCode } = await tryRun([...argv, "--filter", filter]).catch(() => ({ stdout: "", exitCode: 1 }));
    if (exitCode !== 0) return [];
    return stdout.split("\n").filter(Boolean).map((name) => ({ kind, name, remove: `docker ${kind} rm ${kind === "network" ? "" : "--force "}${name}` }));
  };
  return (await Promise.all([
    list("container", ["docker", "ps", "--all", "--format", "{{.Names}}"]),
    list("volume", ["docker", "volume", "ls", "--format", "{{.Name}}"]),
    list("network", ["docker", "network", "ls", "--format", "{{.Name}}"]),
  ])).flat();
}

/**
 * Processes that a run of this stack started and that outlived it: each inherited the owner's mark in its
 * environment. This process, its parents and its children are the run itself.
 */
function processLeftovers(stack: string): Leftover[] {
  if (!existsSync("/proc/self")) return [];
  const mark = `${OWNER_VARIABLE}=${ownerOf(ROOT, stack).id}\0`;
  const own = ancestors();
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && !own.has(Number(pid))).flatMap((pid): Leftover[] => {
    if (!readIfThere(join("/proc", pid, "environ")).includes(mark)) return [];
    const command = readIfThere(join("/proc", pid, "cmdline")).replaceAll("\0", " ").trim();
    return command === "" ? [] : [{ kind: "process", name: `${pid} ${command.slice(0, 100)}`, remove: `kill ${pid}` }];
  });
}

/** Files with secrets that live only while a run does. */
function fileLeftovers(): Leftover[] {
  const folder = join(STATE, "run");
  const files = existsSync(folder) ? readdirSync(folder) : [];
  // Each file's name ends in the id of the process that owns it.
  return files.filter((file) => !isAlive(Number(/(\d+)\.\w+$/.exec(file)?.[1] ?? 0))).map((file) => ({ kind: "file", name: join(folder, file), remove: `rm ${join(folder, file)}` }));
}

function stateLeftovers(stack: string): Leftover[] {
  const local = localStack(stack);
  if (!local) return [];
  const places = [local.file, ...(existsSync(local.locks) ? readdirSync(local.locks).map((file) => join(local.locks, file)) : [])];
  return places.filter((place) => existsSync(place)).map((place) => ({ kind: "stack state", name: place, remove: `npm run down -- --stack ${stack}` }));
}
