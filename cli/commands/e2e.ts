import type { StackOutputs } from "../../infra/outputs";
import { UserError } from "../../infra/support/errors";
import { collectEvidence, type Evidence } from "../evidence/collect";
import { onInterrupt } from "../interrupt";
import { underMark } from "../clean-up/marks";
import { limitOf } from "../options/limit";
import { setVerbose } from "../progress";
import { Run } from "../report";
import { isFiltered, listTests, runTests, type TestPlan } from "../testing/run-tests";
import { down, prepare, up } from "../session";
import { projectOfSuite } from "../testing/test-files";
import type { E2eOptions } from "../testing/test-options";

/** The main job: tools, up, tests, destroy, summary. Gives the process's exit code. */
export async function e2e(options: E2eOptions, words: string[]): Promise<number> {
  setVerbose(options.verbose);
  const plan = await planOf(options, words);
  if (options.inContainer) return (await import("../container")).inContainer(options, words);
  return underMark(options.stack, "e2e", "setup", () => mainJob(options, plan));
}

async function mainJob(options: E2eOptions, plan: Omit<TestPlan, "folder">): Promise<number> {
  const run = new Run(options.stack, options.suite);
  const interrupt = onInterrupt(
    "stopping what is under way, then destroying the stack; press again to leave at once",
    () =>
      `Left at once: the stack ${options.stack} may still be there. Remove it with: npm run down -- --stack ${options.stack}`,
  );
  let outputs: StackOutputs | undefined;
  let failure: unknown;
  /** What ended the run, if it was not the tests. */
  let cause: unknown;
  let begun = false;
  const save = (error: unknown): Promise<Evidence> =>
    run.time("evidence", () =>
      collectEvidence({ stack: options.stack, folder: run.folder, outputs, error, signal: interrupt.signal }),
    );
  try {
    run.set({
      fallbacks: (
        await run.time("setup", () => prepare({ stack: options.stack, announce: true, signal: interrupt.signal }))
      ).notes,
    });
    interrupt.signal.throwIfAborted();
    begun = true;
    outputs = await run.time("up", () => up(options.stack, { signal: interrupt.signal, factsFile: run.factsFile }));
    const limit = limitOf(options, interrupt);
    const tests = await run.time("test", () =>
      runTests({ ...plan, folder: run.folder, outputs: outputs!, signal: limit.signal }),
    );
    run.setTests(tests, options);
    limit.throwIfLate();
    if (!tests.passed) failure = new Error("tests failed");
  } catch (error) {
    failure = cause = error;
    if (!interrupt.received) report(error, run);
  }
  let evidence = failure === undefined || interrupt.received ? undefined : await save(failure);
  const keep = options.keep || (options.keepOnFailure && failure !== undefined && !interrupt.received);
  if (keep)
    process.stderr.write(
      `The stack ${options.stack} stays up. Remove it with: npm run down -- --stack ${options.stack}\n`,
    );
  else if (begun)
    failure = await run
      .time("destroy", () => down(options.stack))
      .then(
        () => failure,
        async (error: unknown) => {
          report(error, run);
          cause ??= error;
          evidence ??= interrupt.received ? undefined : await save(error);
          return failure ?? error;
        },
      );
  if (interrupt.received) run.set({ outcome: "interrupted" });
  process.stderr.write(`${await run.finish(outputs)}\n`);
  if (failure !== undefined && !interrupt.received)
    process.stderr.write(`${run.lastScreen({ error: cause, evidence, kept: keep })}\n`);
  interrupt.release();
  if (interrupt.received) return 130;
  return failure === undefined ? 0 : 1;
}

/**
 * A filter is tried before the stack is brought up, so that a slip of the pen costs seconds.
 * @throws UserError E_USAGE, E_NO_TESTS
 */
async function planOf(options: E2eOptions, words: string[]): Promise<Omit<TestPlan, "folder">> {
  const plan = { call: "npm run e2e", projects: [projectOfSuite(options.suite)], options, words };
  return isFiltered(plan) ? { ...plan, chosen: await listTests(plan) } : plan;
}

function report(error: unknown, run: Run): void {
  const code = error instanceof UserError ? error.code : "E_BUG";
  const message =
    error instanceof Error
      ? error instanceof UserError
        ? error.message
        : (error.stack ?? error.message)
      : String(error);
  run.set({ outcome: "failed", error: { code, message } });
  process.stderr.write(`\n${message}\n`);
}
