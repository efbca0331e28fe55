import { LocalWorkspace, type EngineEvent, type Stack } from "@pulumi/pulumi/automation";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { UserError } from "../../infra/support/errors";
import { maskerOf } from "../../infra/support/secrets";
import { type Drift, driftOf } from "./drift";
import { CONFIG_TYPE, explain } from "../explain";
import { allSecrets } from "../evidence/known-secrets";
import { ROOT } from "../paths";
import { describedBy, isVerbose, type Tell } from "../progress";
import { InFlight, nameOf } from "./in-flight";
import { detachedPulumi } from "./pulumi-command";
import { stackFilePath } from "./stack-file";
import { settingsOf } from "./stack-settings";
import { stateInClear } from "./stack-state";
import { localStack } from "./state";

/** One operation on a stack. */
export interface Operation {
  tell: Tell;
  signal?: AbortSignal;
  /**
   * Look at what is really there before the program says what there should be: what was changed by hand is put back.
   */
  refresh?: boolean;
  /** URNs of the resources that are brought up to date, nothing else; default all. */
  only?: string[];
  /** The cluster is gone for good: what was in it is forgotten, whichever plugin option the program chose. */
  clusterGone?: boolean;
}

/** Opens the stack of that name in this checkout, making it where it does not exist. */
export async function openStack(name: string): Promise<Stack> {
  dropForeignSalt(name);
  return guarded(name, async () =>
    LocalWorkspace.createOrSelectStack({ stackName: name, workDir: ROOT }, { pulumiCommand: await detachedPulumi() }),
  );
}

/** Whether the state backend knows the stack. */
export async function stackExists(name: string): Promise<boolean> {
  if (existsSync(localStack(name)?.file ?? "")) return true;
  const workspace = await LocalWorkspace.create({ workDir: ROOT, pulumiCommand: await detachedPulumi() });
  return (await guarded(name, () => workspace.listStacks())).some(
    (stack) => stack.name === name || stack.name.endsWith(`/${name}`),
  );
}

/** Operations that were cut off are settled by a look at what is really there; creations that were, are begun anew. */
export async function clearPending(stack: Stack, operation: Operation): Promise<void> {
  operation.tell("a run was cut off: comparing the state with what is there");
  await withOutput(stack.name, operation, (options) => stack.refresh({ ...options, clearPendingCreates: true }));
}

/** Brings the stack up; a node or an image that was lost is made again. */
export async function bringUp(stack: Stack, operation: Operation): Promise<Record<string, unknown>> {
  // A field that somebody changed has become theirs, and the API server refuses to take it back unless it is told to.
  setEnvironment("PULUMI_K8S_ENABLE_PATCH_FORCE", operation.refresh === true);
  const up = (more: { replace?: string[] } = {}) =>
    withOutput(stack.name, operation, (options) =>
      stack.up({
        ...options,
        ...more,
        ...(operation.refresh ? { refresh: true } : {}),
        ...(operation.only ? { target: operation.only } : {}),
      }),
    );
  try {
    return valuesOf((await up()).outputs);
  } catch (error) {
    const code = error instanceof UserError && !operation.signal?.aborted ? error.code : undefined;
    if (code === "E_IMAGE_LOST") {
      operation.tell("an image is neither in Docker nor on the node: building it again");
      return valuesOf((await up({ replace: ["**docker:index/image:Image::*"] })).outputs);
    }
    if (code !== "E_NODE_GONE" && code !== "E_NODE_DIED") throw error;
    operation.tell("the node is gone: refreshing the state, then making it again");
    await withOutput(stack.name, operation, (options) => stack.refresh(options));
    return valuesOf((await up()).outputs);
  }
}

/** What somebody changed by hand since the last `up`; neither the state nor anything else is changed by the look. */
export async function findDrift(stack: Stack, operation: Operation): Promise<Drift[]> {
  const events: EngineEvent[] = [];
  await withOutput(stack.name, operation, (options) =>
    stack.refresh({
      ...options,
      previewOnly: true,
      onEvent: (event) => {
        events.push(event);
        options.onEvent(event);
      },
    }),
  );
  return driftOf(events);
}

/** Destroys some of a stack's resources, and all that depends on them. @param only their URNs */
export async function destroyOnly(stack: Stack, only: string[], operation: Operation): Promise<void> {
  await withOutput(stack.name, operation, (options) =>
    stack.destroy({ ...options, target: only, targetDependents: true }),
  );
}

/** Destroys all that the stack made and forgets the stack, but for its configuration file. */
export async function tearDown(stack: Stack, operation: Operation): Promise<void> {
  // Of one stack among several that a command removes the cluster may be gone, and of the next merely slow.
  setEnvironment("PULUMI_K8S_DELETE_UNREACHABLE", operation.clusterGone === true);
  await withOutput(stack.name, operation, (options) => stack.destroy(options));
  await guarded(stack.name, () => stack.workspace.removeStack(stack.name, { preserveConfig: true }));
  dropSalt(stack.name);
}

/**
 * Sets a switch of Pulumi's Kubernetes provider for the next operation, or takes back what an earlier operation of this
 * process set.
 */
function setEnvironment(name: string, on: boolean): void {
  if (on) process.env[name] = "true";
  else Reflect.deleteProperty(process.env, name);
}

type Options = {
  onOutput: (text: string) => void;
  onEvent: (event: EngineEvent) => void;
  signal?: AbortSignal;
  color: "never";
};

async function withOutput<T>(
  stack: string,
  { tell, signal }: Operation,
  work: (options: Options) => Promise<T>,
): Promise<T> {
  let output = "";
  let done = 0;
  const flight = new InFlight(stack);
  const onEvent = (event: EngineEvent) => {
    flight.onEvent(event);
    const started = event.resourcePreEvent?.metadata;
    const ended = event.resOutputsEvent?.metadata;
    if (ended) done += 1;
    if (started && started.op !== "same") tell(`${done} resources done, ${started.op} ${nameOf(started.urn)}`);
  };
  try {
    return await describedBy(
      () => flight.text(),
      () =>
        work({
          onOutput: (text) => {
            output += text;
            if (isVerbose()) process.stderr.write(text);
          },
          onEvent,
          color: "never",
          ...(signal ? { signal } : {}),
        }),
    );
  } catch (error) {
    if (signal?.aborted)
      throw new UserError("E_INTERRUPTED", {
        seen: "a signal",
        wanted: "the end of the operation",
        next: `npm run down -- --stack ${stack}`,
        cause: error,
      });
    // An error carries words of pods and plugins, which Pulumi shows as they are.
    const mask = maskerOf(await allSecrets(stack, { state: await stateInClear(stack) }));
    const text = mask(output + String((error as Error).message));
    if (CONFIG_TYPE.test(text)) settingsOf(stack); // Throws with every problem, where Pulumi tells one.
    throw explain(text, { stack }, error);
  }
}

async function guarded<T>(stack: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? error : explain(String((error as Error).message), { stack }, error);
  }
}

function valuesOf(outputs: Record<string, { value: unknown }>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(outputs).map(([key, { value }]) => [key, value]));
}

/**
 * Pulumi writes a salt into the stack's file, which is under version control; it is worth nothing without the stack.
 */
function dropSalt(stack: string): void {
  const file = stackFilePath(stack);
  if (!existsSync(file)) return;
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/^encryptionsalt: .*\n/m, ""));
}

/**
 * A salt that somebody committed while a stack was up would shut every other checkout out. Where the local state
 * knows no such stack, and the file holds no secret that the salt is for, it is nobody's.
 */
function dropForeignSalt(stack: string): void {
  const local = localStack(stack);
  const file = stackFilePath(stack);
  if (!local || existsSync(local.file) || !existsSync(file) || /^\s+secure: /m.test(readFileSync(file, "utf8"))) return;
  dropSalt(stack);
}
