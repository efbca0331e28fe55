import { setTimeout as delay } from "node:timers/promises";
import { ownerOf } from "../../infra/naming";
import { ROOT } from "../paths";
import { ancestors, descendsFrom, environmentsWith, isAlive, type ProcessFacts, startOf } from "./procfs";
import type { Tell } from "../progress";

/** Set in the environment of a run, and so of every process that it starts, to the id of its owner. */
export const OWNER_VARIABLE = "BAY_E2E_OWNER";

/** Milliseconds that a process gets to end by itself, before it is killed. */
const GRACE = 5_000;

/**
 * Processes that a run of this stack started and that outlived it: each inherited the owner's mark. This
 * process, its parents and its children are the run itself.
 */
export function orphansOf(stack: string): ProcessFacts[] {
  const family = ancestors();
  const { id } = ownerOf(ROOT, stack);
  return environmentsWith(OWNER_VARIABLE).filter(
    ({ pid, value }) => value === id && !family.has(pid) && !descendsFrom(pid, process.pid),
  );
}

/**
 * Ends what a killed run left running. A Pulumi without its runner would go on making things, and holds the
 * stack's lock. To be called by the one run that has the stack.
 */
export async function endOrphans(stack: string, tell: Tell): Promise<void> {
  const orphans = orphansOf(stack);
  if (orphans.length === 0) return;
  tell(
    `ending ${orphans.length} processes of a run that was killed: ${orphans.map(({ pid, command }) => `${pid} ${command.slice(0, 40)}`).join(", ")}`,
  );
  await endProcesses(orphans.map(({ pid }) => pid));
}

/**
 * Interrupts processes, and kills those that are still there after a while. An id that another process has by then is
 * left alone.
 */
export async function endProcesses(pids: readonly number[]): Promise<void> {
  const found = pids.map((pid) => ({ pid, started: startOf(pid) }));
  const still = () => found.filter(({ pid, started }) => isAlive(pid) && startOf(pid) === started);
  for (const { pid } of still()) signal(pid, "SIGINT");
  for (const start = Date.now(); still().length > 0 && Date.now() - start < GRACE;) await delay(50);
  for (const { pid } of still()) signal(pid, "SIGKILL");
  for (const start = Date.now(); still().length > 0 && Date.now() - start < GRACE;) await delay(20);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile, which is what was wanted.
  }
}
