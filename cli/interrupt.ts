/** What to do when the user wants to stop; one policy for every command. */
export interface Interrupt {
  /** Fires at the first signal: what is under way is cancelled cleanly. */
  readonly signal: AbortSignal;
  /** The signal that came, if any. */
  readonly received: NodeJS.Signals | undefined;
  /** Takes the listeners away. */
  release(): void;
}

/**
 * First Ctrl-C (or SIGTERM, SIGHUP, or the end of the process that the user sees): cancel and go on to the clean-up. Second: say what may be left, end.
 * @param lastWords told at the second signal, before the process ends with 130
 */
export function onInterrupt(firstWords: string, lastWords: () => string): Interrupt {
  const controller = new AbortController();
  let received: NodeJS.Signals | undefined;
  const handle = (signal: NodeJS.Signals) => {
    if (received) {
      process.stderr.write(`\n${lastWords()}\n`);
      process.exit(130);
    }
    received = signal;
    process.stderr.write(`\n${signal}: ${firstWords}\n`);
    controller.abort();
  };
  const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, handle);
  // start.mjs was killed and can pass on nothing any more. Its channel must not keep this process alive.
  const orphaned = () => { if (!received) handle("SIGHUP"); };
  process.on("disconnect", orphaned);
  process.channel?.unref();
  return {
    signal: controller.signal,
    get received() { return received; },
    release: () => {
      for (const signal of signals) process.off(signal, handle);
      process.off("disconnect", orphaned);
    },
  };
}
