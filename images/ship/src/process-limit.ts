import { readdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { log } from "./log";
import { groups, signalGroup } from "./process-group";

/** Time between two counts while something of the sandbox runs, and else; and what killed processes get to go. */
const BUSY_MS = 100;
const IDLE_MS = 1_000;
const GOING_MS = 200;

interface ProcessLimit {
  /** Most processes that this Ship's process namespace may hold. */
  limit: number;
  /**
   * Whether all of them but Ship and process 1 are the sandbox's, and may be killed together. Without that nothing is
   * counted.
   */
  ownsAll: boolean;
}

let kept: { at: number; words: string } | undefined;

/**
 * Ends what makes processes without end: first all commands, with what they left in the background; where that is not
 * enough, all processes of the sandbox, the interpreter too. One system call reaches them all at once, faster than any
 * of them can start another. A limit by user (RLIMIT_NPROC) would be shared by all sandboxes of a node, and a cgroup of
 * its own is not a sandbox's to make.
 */
export function keepProcessLimit({ limit, ownsAll }: ProcessLimit): void {
  if (!ownsAll) return;
  const look = async (): Promise<void> => {
    const count = processes();
    if (count <= limit) return;
    kept = {
      at: performance.now(),
      words: `process_limit_exceeded: ${count} processes in the sandbox, ${limit} may be; they were killed`,
    };
    for (const group of groups) signalGroup(group, "SIGKILL");
    await delay(GOING_MS);
    const still = processes();
    if (still > limit) process.kill(-1, "SIGKILL");
    log("error", "the limit of processes was kept", {
      limit,
      processes: count,
      ended: still > limit ? "all processes" : "commands",
    });
  };
  const next = (): void => {
    setTimeout(
      () => {
        void look().finally(next);
      },
      groups.size > 0 ? BUSY_MS : IDLE_MS,
    ).unref();
  };
  next();
}

/** What to say of something that was killed since `began` (performance.now()), if the limit was kept since then. */
export function processLimitKept(began: number): string | undefined {
  return kept && kept.at >= began ? kept.words : undefined;
}

function processes(): number {
  return readdirSync("/proc").filter((name) => /^\d/.test(name)).length;
}
