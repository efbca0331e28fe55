import { constants } from "node:os";

/** What to do when the user wants to stop; one policy for every command. */
export interface Interrupt {
  /** Fires at the first signal: what is under way is cancelled cleanly. */
  readonly signal: AbortSignal;
  /** The signal that came, if any. */
  readonly received: NodeJS.Signals | undefined;
  /** Takes the listeners away. */
  release(): void;
}

/** The first signal of this process, and what is to be run after it. */
let last: { signal: NodeJS.Signals; next: string } | undefined;

/** Returns the signal that ended what this process was doing, if one did, with the command that goes on from there. */
export function interruption(): { signal: NodeJS.Signals; next: string } | undefined {
  return last;
}

/** Exit code of a process that ended because of a signal, as shells have it: 130, 143, 129. */
export function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 2);
}

/**
 * First Ctrl-C (or SIGTERM, SIGHUP, or the end of the process that the user sees): cancel and go on to the clean-up.
 * Second: say what may be left, end.
 * @param lastWords told at the second signal, before the process ends with the signal's code; ends in the command that
 *   goes on
 */
export function onInterrupt(firstWords: string, lastWords: () => string): Interrupt {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  const handle = (signal: NodeJS.Signals) => {
    if (received) {
      process.stderr.write(`\n${lastWords()}\n`);
      process.exit(exitCodeOf(signal));
    }
    received = signal;
    last = { signal, next: /npm run [^`]*$/.exec(lastWords())?.[0] ?? "npm run status" };
    process.stderr.write(`\n${signal}: ${firstWords}\n`);
    controller.abort();
  };
  const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, handle);
  // start.mjs was killed and can pass on nothing any more. Its channel must not keep this process alive.
  const orphaned = () => {
    if (!received) handle("SIGHUP");
  };
  process.on("disconnect", orphaned);
  process.channel?.unref();
  return {
    signal: controller.signal,
    get received() {
      return received;
    },
    release: () => {
      for (const signal of signals) process.off(signal, handle);
      process.off("disconnect", orphaned);
    },
  };
}
