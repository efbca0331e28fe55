import { CHECKS, examine, problemOf } from "./doctor/run";
import { subjectOf } from "./doctor/subject";

/**
 * The checks of `npm run doctor` that can break an `up` of this stack, all at once.
 * @throws UserError with the code of the first that failed; the others stand below it
 */
export async function preflight(stack: string): Promise<void> {
  const problem = problemOf(await examine(await subjectOf(stack), CHECKS.filter((check) => check.preflight)));
  if (problem) throw problem;
}
