/** Waiting for something with a reason and an end. */
import { setTimeout as pause } from "node:timers/promises";

/** Milliseconds between two looks. */
const PERIOD_MS = 100;

/**
 * Looks until `look` says true; a text is the reason why it is not yet so.
 * @throws Error with the goal and the last reason at the deadline (milliseconds), or when the signal fires.
 */
export async function until(
  goal: string,
  deadline: number,
  signal: AbortSignal,
  look: () => Promise<true | string>,
): Promise<void> {
  const end = Date.now() + deadline;
  for (;;) {
    const reason = await look();
    if (reason === true) return;
    if (signal.aborted) throw new Error(`cancelled while waiting until ${goal}: ${reason}`);
    if (Date.now() >= end) throw new Error(`waited ${deadline / 1000} s until ${goal}: ${reason}`);
    await pause(PERIOD_MS, undefined, { signal }).catch(() => undefined);
  }
}
