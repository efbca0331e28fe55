import os from "node:os";

/** Process groups that Ship started and that may have something left in them: each leads a session of its own. */
export const groups = new Set<number>();

/** Signals a process and all that it started and that did not leave its group. */
export function signalGroup(pid: number | undefined | null, signal: NodeJS.Signals): void {
  if (pid === undefined || pid === null) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone, or has become another user's: there is nothing left that Ship could signal.
  }
}

/**
 * How much less than Ship's own the priority of the sandbox's programs is: Ship must get its turn beside hundreds of
 * them.
 */
const NICE = 10;

/**
 * Lets Ship go before a program that it started, and before all that this starts. Other sandboxes do not come into it.
 */
export function letShipGoFirst(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    os.setPriority(pid, NICE);
  } catch {
    // It has ended already.
  }
}
