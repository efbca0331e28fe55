import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { deadRuns, runsOf } from "./marks";
import { isComplete, stateOf } from "./stack-state";
import { stacksWithFile } from "./stack-file";
import { localStack } from "./state";

/** A stack that no run works on and that was not left up on purpose. */
export interface InterruptedStack {
  stack: string;
  /** Why it counts as interrupted, in words. */
  why: string;
}

/** Stacks of this checkout whose run was killed, or whose last `up` or `down` did not come to its end. */
export async function interruptedStacks(): Promise<InterruptedStack[]> {
  const found = await Promise.all(knownStacks().map(async (stack) => ({ stack, why: await whyInterrupted(stack) })));
  return found.flatMap(({ stack, why }) => (why === undefined ? [] : [{ stack, why }]));
}

/** Why a stack counts as interrupted; nothing where a run works on it, it is up on purpose, or there is none. */
export async function whyInterrupted(stack: string): Promise<string | undefined> {
  if (runsOf(stack).length > 0) return undefined;
  const killed = deadRuns(stack)[0];
  if (killed) return `npm run ${killed.command} (pid ${killed.pid}) was killed at ${killed.phase}`;
  const state = localStack(stack) ? await stateOf(stack) : undefined;
  if (!state || (state.resources.length === 0 && state.pending.length === 0)) return undefined;
  return isComplete(state) ? undefined : "its last up or down did not come to its end";
}

/** Names of the stacks that have a file, a mark, or a state in the local backend; sorted. */
export function knownStacks(): string[] {
  const folder = dirname(localStack("any")?.file ?? join("none", "any"));
  const states = existsSync(folder) ? readdirSync(folder).flatMap((name) => /^(.+)\.json$/.exec(name)?.[1] ?? []) : [];
  return [...new Set([...stacksWithFile(), ...states, ...deadRuns().map(({ stack }) => stack)])].sort();
}
