import { CHECKS, examine, problemOf } from "./doctor/run";
import { secrets } from "./doctor/checks/secrets";
import { subjectOf } from "./doctor/subject";

/**
 * The checks of `npm run doctor` that can break an `up` of this stack, all at once. A secret in clear that breaks
 * nothing is warned of.
 * @throws UserError with the code of the first that failed; the others stand below it
 */
export async function preflight(stack: string): Promise<void> {
  const rows = await examine(
    await subjectOf(stack),
    CHECKS.filter((check) => check.preflight),
  );
  const problem = problemOf(rows);
  if (problem) throw problem;
  const clear = rows.find(({ name, status }) => name === secrets.name && status === "warn");
  if (clear) process.stderr.write(`warning: ${clear.found}. Try: ${clear.fix ?? ""}\n`);
}
