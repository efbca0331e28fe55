import { existsSync } from "node:fs";
import { join } from "node:path";
import type { StackOutputs } from "../../infra/outputs";
import { isPreviewStack } from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { ARTIFACTS } from "../paths";
import { onInterrupt } from "../interrupt";
import { underMark } from "../clean-up/marks";
import { limitOf } from "../options/limit";
import { setVerbose } from "../progress";
import { targetOfEnvironment } from "../propagator/environment";
import { describeRun, listTests, printTests, runTests } from "../testing/run-tests";
import { outputsIfUp, prepare } from "../session";
import { toolsPrepared } from "../tools/setup";
import { localStack, stateEnvironment } from "../stack/state";
import type { Project } from "../testing/test-files";
import type { TestOptions } from "../testing/test-options";

/**
 * The tests: of the suite `bay` the unit tests always and E2E when the stack is up, of the suite `checkpoint` those of the
 * propagator that is there. Gives the process's exit code.
 * @throws UserError E_STACK_NOT_UP for the suite `checkpoint` without a stack and without a propagator in the environment
 */
export async function test(options: TestOptions, words: string[]): Promise<number> {
  setVerbose(options.verbose);
  const plan = { call: "npm test", options, words };
  if (options.list) {
    printTests(await listTests({ ...plan, projects: options.suite === "bay" ? ["unit", "e2e"] : ["checkpoint"] }));
    return 0;
  }
  const interrupt = onInterrupt("stopping the tests", () => "Left at once.");
  const outputs = isElsewhere(options) || !mayBeUp(options.stack) ? undefined : await prepare().then(() => outputsIfUp(options.stack));
  const projects = projectsOf(options, outputs);
  const folder = join(ARTIFACTS, `${new Date().toISOString().replace(/[:.]/g, "-")}-test-${process.pid}`);
  const limit = limitOf(options, interrupt);
  const work = () => runTests({ ...plan, projects, folder, signal: limit.signal, ...(outputs ? { outputs } : {}) });
  if (outputs && isPreviewStack(options.stack)) await import("../preview/touch").then(({ touch }) => touch(outputs.kubeconfig, outputs.namespace));
  // Whoever would change or sweep the stack meanwhile is told that tests use it.
  const run = outputs ? await underMark(options.stack, "test", "test", work, { exclusive: false }) : await work();
  interrupt.release();
  process.stderr.write(`\n${[...describeRun(run), `  results    ${folder}`].join("\n")}\n`);
  if (interrupt.received) return 130;
  limit.throwIfLate();
  return run.passed ? 0 : 1;
}

/** Whether the tests are of a propagator that no stack of this checkout made: the environment names it, the user no stack. */
function isElsewhere({ suite, named }: TestOptions): boolean {
  return suite === "checkpoint" && !named && targetOfEnvironment() !== undefined;
}

function projectsOf(options: TestOptions, outputs: StackOutputs | undefined): Project[] {
  const { suite, stack } = options;
  if (suite === "bay" && !outputs) process.stderr.write(`E2E is not run: the stack ${stack} is not up. \`npm run e2e\` brings it up, runs E2E and removes it; \`npm run up\` leaves it up.\n`);
  if (suite === "bay") return outputs ? ["unit", "e2e"] : ["unit"];
  if (outputs || isElsewhere(options)) return ["checkpoint"];
  throw new UserError("E_STACK_NOT_UP", { seen: `the stack ${stack} is not up, and no CEDANA_AUTH_TOKEN is set`, wanted: "a propagator to test", next: "npm run e2e -- --suite checkpoint" });
}

/** Without tools, or with a local state that does not know the stack, there is nothing to ask for: no tool is made for that. */
function mayBeUp(stack: string): boolean {
  if (!toolsPrepared()) return false;
  const local = localStack(stack, stateEnvironment()["PULUMI_BACKEND_URL"] ?? process.env["PULUMI_BACKEND_URL"]);
  return local === undefined || existsSync(local.file);
}
