import { problemsOfOutputs, type StackOutputs } from "../infra/outputs";
import { type ErrorCode, UserError } from "../infra/support/errors";
import { run } from "../infra/support/exec";
import { ownerOf } from "../infra/naming";
import { describeLeftovers, leftoversOf, OWNER_VARIABLE, removeByLabel } from "./leftovers";
import { ROOT } from "./paths";
import { preflight } from "./preflight";
import { phase } from "./progress";
import { prepareTools, type SetupOptions, type Tools } from "./setup";
import { bringUp, openStack, stackExists, tearDown } from "./stack";
import { removeMadeStackFile } from "./stack-file";
import { stateEnvironment } from "./state";

/** Tools and state of a command: this process's environment is what every child gets. */
export async function prepare(options: SetupOptions = {}): Promise<Tools> {
  const tools = await phase("Tools", (tell) => prepareTools(tell, options));
  Object.assign(process.env, tools.env);
  Object.assign(process.env, stateEnvironment());
  for (const note of tools.notes) process.stderr.write(`  fallback: ${note}\n`);
  return tools;
}

/**
 * Brings a stack up and gives its outputs.
 * @throws UserError whatever stands in the way, by its cause
 */
export async function up(stackName: string, options: { signal?: AbortSignal; factsFile?: string } = {}): Promise<StackOutputs> {
  process.env[OWNER_VARIABLE] = ownerOf(ROOT, stackName).id;
  await preflight();
  return phase(`Stack ${stackName}: up`, async (tell) => {
    const stack = await openStack(stackName);
    if (options.factsFile) process.env["BAY_E2E_FACTS_FILE"] = options.factsFile;
    return checkOutputs(await bringUp(stack, { tell, ...(options.signal ? { signal: options.signal } : {}) }));
  });
}

/** Failures after which nothing is removed by its label: another run has the stack, or somebody else's key does. */
const NOT_OURS_NOW: readonly ErrorCode[] = ["E_STACK_LOCKED", "E_PASSPHRASE"];

/**
 * Destroys a stack, removes by label what its state did not know, and looks for what is left.
 * @throws UserError E_DESTROY that names what is left and how to remove it
 */
export async function down(stackName: string, options: { signal?: AbortSignal } = {}): Promise<void> {
  await phase(`Stack ${stackName}: destroy`, async (tell) => {
    const destroy = async () => { if (await stackExists(stackName)) await tearDown(await openStack(stackName), { tell, ...options }); };
    const failure = await destroy().then(() => undefined, (error: unknown) => error as Error);
    if (failure instanceof UserError && NOT_OURS_NOW.includes(failure.code)) throw failure;
    const unknown = await removeByLabel(stackName);
    for (const { kind, name } of unknown) tell(`removed ${kind} ${name}, which the state did not know`);
    // A container that a killed run made and no state knows holds volumes that the state does know.
    if (failure && unknown.length > 0) await destroy();
    else if (failure) throw failure;
    const left = await leftoversOf(stackName);
    if (left.length > 0) {
      throw new UserError("E_DESTROY", { seen: `${left.length} left:\n          ${describeLeftovers(left).replaceAll("\n", "\n          ")}`, wanted: "nothing", next: left[0]!.remove });
    }
    removeMadeStackFile(stackName);
  });
}

/** The stack's outputs when it is up, without making anything: for tests, status and others that only look. */
export async function outputsIfUp(stackName: string): Promise<StackOutputs | undefined> {
  const json = await run(["pulumi", "stack", "output", "--json", "--show-secrets", "--non-interactive", "--stack", stackName]).catch(() => "{}");
  const outputs = JSON.parse(json) as Record<string, unknown>;
  return problemsOfOutputs(outputs).length === 0 ? (outputs as unknown as StackOutputs) : undefined;
}

function checkOutputs(outputs: Record<string, unknown>): StackOutputs {
  const problems = problemsOfOutputs(outputs);
  if (problems.length > 0) throw new UserError("E_OUTPUTS", { seen: problems.join("; "), wanted: "every output of infra/outputs.ts", next: "pulumi stack output" });
  return outputs as unknown as StackOutputs;
}
