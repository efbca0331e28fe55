import { setTimeout as delay } from "node:timers/promises";

/** What one look at the world found: the value that was waited for, or why it is not there yet. */
export type Look<T> = { value: T } | { reason: string };

export interface WaitOptions {
  /** Milliseconds until the wait is given up. */
  deadline: number;
  /** Milliseconds between two looks; default 100. */
  interval?: number;
}

/** Milliseconds after which a wait says why it goes on, and between two such lines. */
const TOLD_EVERY = 15_000;

let listener: ((reason: string, seconds: number) => void) | undefined;

/** Has every wait of this process that takes long say why it goes on, now and then. */
export function onLongWait(listen: (reason: string, seconds: number) => void): void {
  listener = listen;
}

/**
 * Looks until there is a value. The look itself throws when what is waited for can no longer come.
 * @param expired makes the error for the deadline out of the last reason
 */
export async function waitFor<T>(
  look: () => Promise<Look<T>>,
  options: WaitOptions,
  expired: (reason: string, seconds: number) => Error,
): Promise<T> {
  const start = Date.now();
  let told = start;
  for (;;) {
    const found = await look();
    if ("value" in found) return found.value;
    const elapsed = Date.now() - start;
    if (elapsed >= options.deadline) throw expired(found.reason, Math.round(elapsed / 1000));
    if (Date.now() - told >= TOLD_EVERY) {
      told = Date.now();
      listener?.(found.reason, Math.round(elapsed / 1000));
    }
    await delay(options.interval ?? 100);
  }
}
