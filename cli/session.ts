import { rmSync } from "node:fs";
import { problemsOfOutputs, type StackOutputs } from "../infra/outputs";
import { type ErrorCode, UserError } from "../infra/support/errors";
import { run } from "../infra/support/exec";
import { kubeconfigFile, ownerOf } from "../infra/naming";
import type { Stack } from "@pulumi/pulumi/automation";
import { kubeconfigOf, openCluster } from "./cluster/access";
import { kubectlFor } from "./cluster/kubectl";
import { dropImageNames } from "./clean-up/docker-things";
import { describeLeftovers, leftoversOf, removeByLabel } from "./clean-up/leftovers";
import { underMark } from "./clean-up/marks";
import { OWNER_VARIABLE } from "./clean-up/orphans";
import { ROOT } from "./paths";
import { preflight } from "./preflight";
import { phase, type Tell } from "./progress";
import { settleReleases } from "./cluster/helm-releases";
import { recover, removePending } from "./stack/recover";
import { prepareTools, type SetupOptions, type Tools } from "./tools/setup";
import { forgetImpostors, outlivingReleases, removeStateNamespaces } from "./stack/identity";
import { bringUp, clearPending, destroyOnly, openStack, type Operation, stackExists, tearDown } from "./stack/stack";
import { isStackKubeconfig } from "./stack/kubeconfig";
import { forgetLost, requireNames } from "./stack/names";
import { removeMadeStackFile } from "./stack/stack-file";
import { kindImageOf } from "./stack/stack-settings";
import { stateOf } from "./stack/stack-state";
import { stateEnvironment } from "./stack/state";
import { removeCopies } from "./stack/state-copies";

export interface PrepareOptions extends Omit<SetupOptions, "kindImage"> {
  /** The stack that is to be made or removed; its backend may need tools of its own. */
  stack?: string;
  /**
   * Name each stand-in for what could not be had. Default: their number alone, as most commands come after one that
   * named them.
   */
  announce?: boolean;
}

/** Tools and state of a command: this process's environment is what every child gets. */
export async function prepare({ stack, announce = false, ...options }: PrepareOptions = {}): Promise<Tools> {
  // A daemon that the set-up starts belongs to no run: without the mark no clean-up takes it for one's process.
  Reflect.deleteProperty(process.env, OWNER_VARIABLE);
  const kindImage = stack === undefined ? undefined : kindImageOf(stack);
  const tools = await phase("Tools", (tell) =>
    prepareTools(tell, { ...options, ...(kindImage === undefined ? {} : { kindImage }) }),
  );
  Object.assign(process.env, tools.env);
  Object.assign(process.env, stateEnvironment());
  const lines =
    announce || tools.notes.length === 0
      ? tools.notes
      : [`${tools.notes.length} stand-ins for what could not be had here: npm run setup`];
  for (const line of lines) process.stderr.write(`  fallback: ${line}\n`);
  return tools;
}

/**
 * Brings a stack up and gives its outputs. What a killed run left of it is put right first.
 * @throws UserError whatever stands in the way, by its cause
 */
export async function up(
  stackName: string,
  options: { signal?: AbortSignal; factsFile?: string; refresh?: boolean } = {},
): Promise<StackOutputs> {
  return underMark(stackName, "up", "up", async () => {
    process.env[OWNER_VARIABLE] = ownerOf(ROOT, stackName).id;
    await preflight(stackName);
    return phase(`Stack ${stackName}: up`, async (tell) => {
      await requireNames(stackName, tell);
      await forgetLost(stackName, tell);
      await recover(stackName, tell);
      const stack = await openStack(stackName);
      if (options.factsFile) process.env["BAY_E2E_FACTS_FILE"] = options.factsFile;
      const operation = {
        tell,
        refresh: options.refresh ?? false,
        ...(options.signal ? { signal: options.signal } : {}),
      };
      if (((await stateOf(stackName))?.pending.length ?? 0) > 0) {
        await removePending(stackName, tell);
        await clearPending(stack, operation);
      }
      return requireOutputs(await bringUp(stack, operation));
    });
  });
}

/**
 * Failures after which nothing is removed by its label: another run has the stack, or another key does, or it was tried
 * already.
 */
const NOT_OURS_NOW: readonly ErrorCode[] = ["E_STACK_LOCKED", "E_PASSPHRASE", "E_DESTROY"];

export interface DownOptions {
  signal?: AbortSignal;
  /** The stack's cluster is gone for good: forget what was in it. */
  clusterGone?: boolean;
}

/**
 * Destroys a stack, removes by label what its state did not know, and looks for what is left.
 * @throws UserError E_DESTROY that names what is left and how to remove it
 */
export async function down(stackName: string, { signal, clusterGone = false }: DownOptions = {}): Promise<void> {
  await underMark(stackName, "down", "destroy", () =>
    phase(`Stack ${stackName}: destroy`, async (tell) => {
      process.env[OWNER_VARIABLE] = ownerOf(ROOT, stackName).id;
      await recover(stackName, tell);
      if (clusterGone) await sayForgotten(stackName, tell);
      // Of a cluster that outlives the stack, and that nobody knows how to reach once the state is gone.
      const outside = await outsideKubeconfig(stackName);
      const kubeconfig = outside !== undefined && clusterGone && !(await answers(outside)) ? undefined : outside;
      await forgetImpostors(stackName, kubeconfig, tell);
      if (kubeconfig) await settleReleases(kubeconfig, await stateOf(stackName), tell);
      const operation = { tell, clusterGone, ...(signal ? { signal } : {}) };
      const destroy = async () => {
        if (!(await stackExists(stackName))) return;
        const stack = await openStack(stackName);
        if (kubeconfig && (await answers(kubeconfig))) await removeOutside(stack, kubeconfig, operation);
        await tearDown(stack, operation);
      };
      const failure = await destroy().then(
        () => undefined,
        (error: unknown) => error as Error,
      );
      if (failure instanceof UserError && NOT_OURS_NOW.includes(failure.code)) throw failure;
      const unknown = await removeByLabel(stackName, kubeconfig, tell).catch((error: unknown) => {
        throw failure ?? error;
      });
      for (const { kind, name } of unknown) tell(`removed ${kind} ${name}, which the state did not know`);
      // A container that a killed run made and no state knows holds volumes that the state does know.
      if (failure && unknown.length > 0) await destroy();
      else if (failure) throw failure;
      removeMadeStackFile(stackName);
      // kind removes its own with the cluster, unless the making of the cluster was cut off.
      if (isStackKubeconfig(stackName)) rmSync(kubeconfigFile(ROOT, stackName), { force: true });
      removeCopies(stackName);
      await dropImageNames(stackName);
      await requireNothingLeft(stackName, kubeconfig);
    }),
  );
}

/**
 * Removes what a stack has in a cluster that outlives it. Helm uninstalls its releases first, with their hooks; the
 * namespaces go by their uids, which Pulumi does not look at, and what holds them is told.
 */
async function removeOutside(stack: Stack, kubeconfig: string, operation: Operation): Promise<void> {
  const releases = outlivingReleases(await stateOf(stack.name));
  if (releases.length > 0) await destroyOnly(stack, releases, operation);
  await removeStateNamespaces(stack.name, kubeconfig, { tell: operation.tell, kubectl: kubectlFor(stack.name) });
}

/** Whether a cluster answers; one that was said to be gone may be there all the same. */
async function answers(kubeconfig: string): Promise<boolean> {
  const cluster = await openCluster(kubeconfig);
  return cluster
    .get("/version")
    .then(
      () => true,
      () => false,
    )
    .finally(() => {
      cluster.close();
    });
}

/** The stack's outputs when it is up, without making anything: for tests, status and others that only look. */
export async function outputsIfUp(stackName: string): Promise<StackOutputs | undefined> {
  const json = await run([
    "pulumi",
    "stack",
    "output",
    "--json",
    "--show-secrets",
    "--non-interactive",
    "--stack",
    stackName,
  ]).catch(() => "{}");
  const outputs = JSON.parse(json) as Record<string, unknown>;
  return isOutputs(outputs) ? outputs : undefined;
}

/** The same for commands that are of no use without it. @throws UserError E_STACK_NOT_UP */
export async function outputsOf(stackName: string): Promise<StackOutputs> {
  const outputs = await outputsIfUp(stackName);
  if (!outputs)
    throw new UserError("E_STACK_NOT_UP", {
      seen: `no outputs of ${stackName}`,
      wanted: "a stack that is up",
      next: `npm run up -- --stack ${stackName}`,
    });
  return outputs;
}

function isOutputs(value: Record<string, unknown>): value is Record<string, unknown> & StackOutputs {
  return problemsOfOutputs(value).length === 0;
}

function requireOutputs(outputs: Record<string, unknown>): StackOutputs {
  if (isOutputs(outputs)) return outputs;
  throw new UserError("E_OUTPUTS", {
    seen: problemsOfOutputs(outputs).join("; "),
    wanted: "every output of infra/outputs.ts",
    next: "pulumi stack output",
  });
}

/** The kubeconfig of a stack whose cluster is not removed with it; nothing where it is, or was never reached. */
async function outsideKubeconfig(stackName: string): Promise<string | undefined> {
  const resources = (await stateOf(stackName))?.resources ?? [];
  const inCluster = resources.filter(({ type }) => type.startsWith("kubernetes:"));
  return inCluster.some(({ deletedWith }) => !deletedWith) ? kubeconfigOf(stackName) : undefined;
}

async function sayForgotten(stackName: string, tell: Tell): Promise<void> {
  const objects = ((await stateOf(stackName))?.resources ?? []).filter(({ type }) => type.startsWith("kubernetes:"));
  for (const { type, id } of objects)
    tell(`forgetting ${type.replace("kubernetes:", "")} ${id ?? ""}, if its cluster does not answer`);
}

async function requireNothingLeft(stackName: string, kubeconfig: string | undefined): Promise<void> {
  const left = await leftoversOf(stackName, kubeconfig);
  if (left.length === 0) return;
  throw new UserError("E_DESTROY", {
    seen: `${left.length} left:\n          ${describeLeftovers(left).replaceAll("\n", "\n          ")}`,
    wanted: "nothing",
    next: left[0]!.remove,
  });
}
