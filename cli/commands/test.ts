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
import { chooseStack } from "../stack/choose";
import { localStack } from "../stack/state";
import { type Project, projectOfSuite } from "../testing/test-files";
import type { TestOptions } from "../testing/test-options";

/**
 * Runs the tests: of the suite `bay` the unit tests always and E2E when the stack is up, of `checkpoint` those of the
 * propagator that is there, of `hostile` the attacks on the stack that is up. Returns the process's exit code.
 * @throws UserError E_STACK_NOT_UP for `hostile` without a stack, and for `checkpoint` without a stack and without a
 *   propagator in the environment
 */
export async function test(wish: TestOptions, words: string[]): Promise<number> {
  setVerbose(wish.verbose);
  const options: TestOptions = isElsewhere(wish) ? wish : { ...wish, stack: await chooseStack(wish, "look") };
  const { stack } = options;
  const interrupt = onInterrupt("stopping the tests", () => "Left at once.");
  const outputs = stack === undefined || !mayBeUp(stack) ? undefined : await prepare().then(() => outputsIfUp(stack));
  const projects = projectsOf(options, outputs);
  const folder = join(ARTIFACTS, `${new Date().toISOString().replace(/[:.]/g, "-")}-test-${process.pid}`);
  const limit = limitOf(options, interrupt);
  const work = () =>
    runTests({
      call: "npm test",
      options,
      words,
      projects,
      folder,
      signal: limit.signal,
      ...(outputs ? { outputs } : {}),
    });
  if (stack !== undefined && outputs && isPreviewStack(stack))
    await import("../preview/touch").then(({ touch }) => touch(outputs.kubeconfig, outputs.namespace));
  // Whoever would change or sweep the stack meanwhile is told that tests use it.
  const run =
    stack !== undefined && outputs ? await underMark(stack, "test", "test", work, { exclusive: false }) : await work();
  interrupt.release();
  process.stderr.write(`\n${[...describeRun(run), `  results    ${folder}`].join("\n")}\n`);
  if (interrupt.received) return 130;
  limit.throwIfLate();
  return run.passed ? 0 : 1;
}

/**
 * Shows which tests `e2e` or `test` would choose, by their files: whatever is up, and without a tool.
 * @throws UserError E_USAGE, E_NO_TESTS
 */
export async function listCommand(command: "e2e" | "test", options: TestOptions, words: string[]): Promise<number> {
  if ((options.stack ?? options.backend) !== undefined) await chooseStack(options, "look");
  const project = projectOfSuite(options.suite);
  const projects: Project[] = command === "test" && project === "e2e" ? ["unit", project] : [project];
  printTests(await listTests({ call: command === "e2e" ? "npm run e2e" : "npm test", options, words, projects }));
  return 0;
}

/**
 * Whether the tests are of a propagator that no stack of this checkout made: the environment names it, the user no
 * stack.
 */
function isElsewhere({ suite, stack, backend }: TestOptions): boolean {
  return suite === "checkpoint" && stack === undefined && backend === undefined && targetOfEnvironment() !== undefined;
}

function projectsOf(options: TestOptions, outputs: StackOutputs | undefined): Project[] {
  const { suite, stack } = options;
  if (suite === "bay" && !outputs)
    process.stderr.write(
      `E2E is not run: the stack ${stack} is not up. \`npm run e2e\` brings it up, runs E2E and removes it; \`npm run up\` leaves it up.\n`,
    );
  if (suite === "bay") return outputs ? ["unit", "e2e"] : ["unit"];
  if (outputs || stack === undefined) return [projectOfSuite(suite)];
  const missing = suite === "checkpoint" ? ", and no CEDANA_AUTH_TOKEN is set" : "";
  throw new UserError("E_STACK_NOT_UP", {
    seen: `the stack ${stack} is not up${missing}`,
    wanted: suite === "checkpoint" ? "a propagator to test" : "a stack to attack",
    next: `npm run e2e -- --suite ${suite}`,
  });
}

/**
 * Without tools, or with a local state that does not know the stack, there is nothing to ask for: no tool is made for
 * that.
 */
function mayBeUp(stack: string): boolean {
  if (!toolsPrepared()) return false;
  const local = localStack(stack);
  return local === undefined || existsSync(local.file);
}
