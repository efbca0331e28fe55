import { existsSync } from "node:fs";
import { join } from "node:path";
import { ARTIFACTS } from "../paths";
import { onInterrupt } from "../interrupt";
import { underMark } from "../marks";
import { setVerbose } from "../progress";
import { describeRun, listTests, printTests, runTests } from "../run-tests";
import { outputsIfUp, prepare } from "../session";
import { toolsPrepared } from "../setup";
import { localStack, stateEnvironment } from "../state";
import type { TestOptions } from "../test-options";

/** The tests: unit always, E2E when the stack is up. Gives the process's exit code. */
export async function test(options: TestOptions, words: string[]): Promise<number> {
  setVerbose(options.verbose);
  const plan = { call: "npm test", options, words };
  if (options.list) {
    printTests(await listTests({ ...plan, projects: ["unit", "e2e"] }));
    return 0;
  }
  const interrupt = onInterrupt("stopping the tests", () => "Left at once.");
  const outputs = mayBeUp(options.stack) ? await prepare().then(() => outputsIfUp(options.stack)) : undefined;
  if (!outputs) process.stderr.write(`E2E is not run: the stack ${options.stack} is not up. \`npm run e2e\` brings it up, runs E2E and removes it; \`npm run up\` leaves it up.\n`);
  const folder = join(ARTIFACTS, `${new Date().toISOString().replace(/[:.]/g, "-")}-test-${process.pid}`);
  const work = () => runTests({ ...plan, projects: outputs ? ["unit", "e2e"] as const : ["unit"] as const, folder, signal: interrupt.signal, ...(outputs ? { outputs } : {}) });
  // Whoever would change or sweep the stack meanwhile is told that tests use it.
  const run = outputs ? await underMark(options.stack, "test", "test", work, { exclusive: false }) : await work();
  interrupt.release();
  process.stderr.write(`\n${[...describeRun(run), `  results    ${folder}`].join("\n")}\n`);
  if (interrupt.received) return 130;
  return run.passed ? 0 : 1;
}

/** Without tools, or with a local state that does not know the stack, there is nothing to ask for: no tool is made for that. */
function mayBeUp(stack: string): boolean {
  if (!toolsPrepared()) return false;
  const local = localStack(stack, stateEnvironment()["PULUMI_BACKEND_URL"] ?? process.env["PULUMI_BACKEND_URL"]);
  return local === undefined || existsSync(local.file);
}
