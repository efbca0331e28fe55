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
