/** What a check answers while the thing it waits for is not there yet. */
export class NotYet {
  constructor(readonly why: string) {}
}

/** Says why a check is not yet true; the last reason is printed when the deadline passes. */
export function notYet(why: string): NotYet {
  return new NotYet(why);
}

export interface WaitOptions {
  /** Milliseconds until the wait gives up. */
  deadline: number;
  /** Milliseconds between two checks; default 200. */
  interval?: number;
  /** Ends the wait when it fires. */
  signal?: AbortSignal;
  /** Asked before every check: a text means that the thing waited for has died, and ends the wait at once. */
  died?: () => string | undefined | Promise<string | undefined>;
}

/** A wait that did not come true; `why` is the last reason that its check gave. */
export class WaitError extends Error {
  constructor(
    readonly what: string,
    readonly end: "deadline" | "died" | "aborted",
    readonly why: string,
    waitedMs: number,
  ) {
    const verb = { deadline: "did not happen", died: "can no longer happen", aborted: "was given up" }[end];
    super(`${what}: ${verb} after ${(waitedMs / 1000).toFixed(1)} s; ${why}`);
    this.name = "WaitError";
  }
}

/**
 * Asks `check` again and again until it gives a value instead of `notYet(reason)`.
 * An error that `check` throws is not a reason but a fault, and ends the wait.
 * @param what what is waited for, in words: it begins the message of the error
 * @throws WaitError at the deadline, when `died` gives a text, or when the signal fires
 */
export async function waitFor<T>(
  what: string,
  check: () => T | NotYet | Promise<T | NotYet>,
  options: WaitOptions,
): Promise<T> {
  const started = Date.now();
  let why = "the first check did not answer";
  const fail = (end: WaitError["end"], reason: string): WaitError =>
    new WaitError(what, end, reason, Date.now() - started);
  const limit = limitOf(options, (end) => fail(end, why));
  // Who watches a log sees what takes so long, long before the deadline.
  const teller = setInterval(() => {
    process.stderr.write(`  waiting for ${what}, ${Math.round((Date.now() - started) / 1000)} s so far: ${why}\n`);
  }, TOLD_EVERY);
  try {
    for (;;) {
      const cause = await limit.race(Promise.resolve(options.died?.()));
      if (cause !== undefined) throw fail("died", cause);
      const answer = await limit.race(Promise.resolve(check()));
      if (!(answer instanceof NotYet)) return answer;
      why = answer.why;
      await limit.race(limit.pause(options.interval ?? 200));
    }
  } finally {
    clearInterval(teller);
    limit.end();
  }
}

/** Milliseconds after which a wait says what it waits for and why it goes on, and between two such lines. */
const TOLD_EVERY = 30_000;

interface Limit {
  /** The promise's outcome, or a rejection when the deadline or the signal comes first. */
  race<T>(promise: Promise<T>): Promise<T>;
  pause(ms: number): Promise<void>;
  end(): void;
}

function limitOf(options: WaitOptions, error: (end: "deadline" | "aborted") => Error): Limit {
  let stop: (error: Error) => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = reject;
  });
  stopped.catch(() => undefined);
  const deadline = setTimeout(() => stop(error("deadline")), options.deadline);
  const onAbort = (): void => stop(error("aborted"));
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  let pauseTimer: NodeJS.Timeout | undefined;
  return {
    race: (promise) => Promise.race([promise, stopped]),
    pause: (ms) =>
      new Promise((resolve) => {
        pauseTimer = setTimeout(resolve, ms);
      }),
    end: () => {
      clearTimeout(deadline);
      clearTimeout(pauseTimer);
      options.signal?.removeEventListener("abort", onAbort);
    },
  };
}
