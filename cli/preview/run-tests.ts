import { UserError } from "../../infra/support/errors";
import { onInterrupt } from "../interrupt";
import { underMark } from "../clean-up/marks";
import { setVerbose } from "../progress";
import { Run } from "../report";
import { runTests } from "../testing/run-tests";
import { outputsOf, prepare } from "../session";
import type { TestOptions } from "../testing/test-options";
import { findPreview } from "./inventory";
import { touch } from "./touch";

/** What tells in seconds that a preview works: its key, and the life of sandboxes. */
const SMOKE = { k: "auth or lifecycle", m: "core and not slow" };

export interface PreviewTestOptions {
  k?: string;
  m?: string;
  all: boolean;
  verbose: boolean;
}

/** Tests a preview, by the smoke selection unless another is asked for, and leaves a report for its summary. */
export async function testPreview(name: string, { k, m, all, verbose }: PreviewTestOptions): Promise<number> {
  setVerbose(verbose);
  const found = await findPreview(name);
  if (found.stack === undefined)
    throw new UserError("E_PREVIEW_UNKNOWN", {
      seen: `the preview ${name} was made by ${found.checkout || "another checkout"}, and its state is not here`,
      wanted: "a preview of this checkout's state",
      next: `npm run preview -- open ${name}`,
    });
  const { stack } = found;
  const chosen = all
    ? {}
    : k === undefined && m === undefined
      ? SMOKE
      : { ...(k === undefined ? {} : { k }), ...(m === undefined ? {} : { m }) };
  const options: TestOptions = { stack, suite: "bay", verbose, parallel: true, list: false, ...chosen };
  const interrupt = onInterrupt("stopping the tests; the preview stays", () => "Left at once. The preview stays.");
  await prepare();
  const outputs = await outputsOf(stack);
  return underMark(
    stack,
    "preview test",
    "test",
    async () => {
      const run = new Run(stack, "bay");
      await touch(outputs.kubeconfig, outputs.namespace);
      const tests = await run.time("test", () =>
        runTests({
          call: `npm run preview -- test ${name}`,
          projects: ["e2e"],
          options,
          words: [],
          folder: run.folder,
          outputs,
          signal: interrupt.signal,
        }),
      );
      run.setTests(tests, options);
      process.stderr.write(`${await run.finish(outputs)}\n`);
      interrupt.release();
      if (interrupt.received) return 130;
      return tests.passed ? 0 : 1;
    },
    { exclusive: false },
  );
}
