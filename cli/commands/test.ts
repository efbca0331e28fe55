import { existsSync } from "node:fs";
import { join } from "node:path";
import { ARTIFACTS } from "../paths";
import { onInterrupt } from "../interrupt";
import { runJest } from "../jest";
import { outputsIfUp, prepare } from "../session";
import { toolsPrepared } from "../setup";
import { localStack, stateEnvironment } from "../state";

/** The tests: unit always, E2E when the stack is up. Gives Jest's exit code. */
export async function test(options: { stack: string }, jestWords: string[]): Promise<number> {
  const interrupt = onInterrupt("stopping the tests", () => "Left at once.");
  const outputs = mayBeUp(options.stack) ? await prepare().then(() => outputsIfUp(options.stack)) : undefined;
  if (!outputs) process.stderr.write(`E2E is not run: the stack ${options.stack} is not up. \`npm run e2e\` brings it up, runs E2E and removes it; \`npm run up\` leaves it up.\n`);
  const { exitCode } = await runJest({
    projects: ["unit", ...(outputs ? ["e2e"] : [])], folder: join(ARTIFACTS, `${new Date().toISOString().replace(/[:.]/g, "-")}-test-${process.pid}`),
    stack: options.stack, extra: jestWords, signal: interrupt.signal, ...(outputs ? { outputs } : {}),
  });
  interrupt.release();
  return interrupt.received ? 130 : exitCode;
}

/** Without tools, or with a local state that does not know the stack, there is nothing to ask for: no tool is made for that. */
function mayBeUp(stack: string): boolean {
  if (!toolsPrepared()) return false;
  const local = localStack(stack, stateEnvironment()["PULUMI_BACKEND_URL"] ?? process.env["PULUMI_BACKEND_URL"]);
  return local === undefined || existsSync(local.file);
}
