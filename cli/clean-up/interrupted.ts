import { knownStacks } from "../stack/known-stacks";
import { cutOffRuns, runsOf } from "./marks";

/** A stack that no run works on and that was not left up on purpose. */
export interface InterruptedStack {
  stack: string;
  /** Why it counts as interrupted, in words. */
  why: string;
}

/** Stacks of this checkout whose run was killed, or whose last `up` or `down` did not come to its end. */
export async function interruptedStacks(): Promise<InterruptedStack[]> {
  const known = (await knownStacks()).filter(({ condition }) => condition === "interrupted").map(({ name }) => name);
  const names = [...new Set([...cutOffRuns().map(({ stack }) => stack), ...known])]
    .filter((stack) => runsOf(stack).length === 0)
    .sort();
  return names.map((stack) => {
    const [killed] = cutOffRuns(stack);
    return {
      stack,
      why: killed
        ? `npm run ${killed.command} (pid ${killed.pid}) was killed during ${killed.phase}`
        : "its last up or down did not come to its end",
    };
  });
}
