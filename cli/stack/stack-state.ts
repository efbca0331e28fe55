import { readFileSync, existsSync } from "node:fs";
import { UserError } from "../../infra/support/errors";
import { pasteable, tail, tryRun } from "../../infra/support/exec";
import { ROOT } from "../paths";
import { localStack } from "./state";

/** One resource of a stack's state, or of an operation on one that was cut off. */
export interface StateResource {
  urn: string;
  type: string;
  id?: string;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  /** The resource whose deletion takes this one along. */
  deletedWith?: string;
}

/** What is read of a stack's state here. */
export interface StackState {
  resources: StateResource[];
  /** Operations that a killed Pulumi had under way. */
  pending: { type: string; resource: StateResource }[];
}

interface Deployment {
  resources?: StateResource[] | null;
  pending_operations?: { type: string; resource: StateResource }[] | null;
}

/** Mark of a secret in Pulumi's JSON, and the key that holds it in clear. */
const SECRET_MARK = "4dabf18193072939515e22adb298388d";

/**
 * The state of a stack, with its secrets as Pulumi keeps them; nothing where the backend does not know the stack.
 * @throws UserError E_COMMAND if the backend does not say whether it knows the stack
 */
export async function stateOf(stack: string): Promise<StackState | undefined> {
  const local = localStack(stack);
  if (!local) return asState(await exported(stack, []));
  if (!existsSync(local.file)) return undefined;
  const { checkpoint } = JSON.parse(readFileSync(local.file, "utf8")) as { checkpoint: { latest?: Deployment | null } };
  return asState(checkpoint.latest ?? {});
}

/**
 * The state with its secrets in clear; nothing where the stack is not known, its passphrase is not the right one, or its
 * backend does not answer: for what looks only.
 */
export async function stateInClear(stack: string, signal?: AbortSignal): Promise<StackState | undefined> {
  return asState(await exported(stack, ["--show-secrets"], signal).catch(() => undefined));
}

/**
 * Every text that Pulumi keeps as a secret, of a state in clear. A secret may be a whole object: what of it the
 * state also shows openly, such as a namespace's name, is none.
 */
export function secretsOf(state: StackState): string[] {
  const found = new Set<string>();
  const open = new Set<string>();
  const collect = (value: unknown, into: Set<string>): void => {
    if (typeof value === "string") into.add(value);
    else if (typeof value === "object" && value !== null)
      Object.values(value).forEach((part) => {
        collect(part, into);
      });
  };
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return collect(value, open);
    const { plaintext } = value as { plaintext?: string };
    if (SECRET_MARK in value && typeof plaintext === "string") collect(JSON.parse(plaintext), found);
    // `__inputs` repeats a resource's whole inputs as one secret, the open ones among them.
    else for (const [key, part] of Object.entries(value)) if (key !== "__inputs") walk(part);
  };
  walk(state);
  return [...found].filter((text) => !open.has(text));
}

/** A value of a state in clear: what stands in a secret's wrapping, or the value itself. */
export function clear(value: unknown): unknown {
  const { plaintext } = (value ?? {}) as { plaintext?: string };
  return typeof plaintext === "string" ? (JSON.parse(plaintext) as unknown) : value;
}

/** Whether a stack has all that a finished `up` leaves: outputs, and nothing that was cut off. */
export function isComplete(state: StackState): boolean {
  const stack = state.resources.find(({ type }) => type === "pulumi:pulumi:Stack");
  return state.pending.length === 0 && Object.keys(stack?.outputs ?? {}).length > 0;
}

/** @throws UserError E_COMMAND unless the backend says that it does not know the stack */
async function exported(stack: string, words: string[], signal?: AbortSignal): Promise<Deployment | undefined> {
  const argv: [string, ...string[]] = ["pulumi", "stack", "export", ...words, "--stack", stack, "--non-interactive"];
  const { exitCode, stdout, stderr } = await tryRun(argv, {
    cwd: ROOT,
    timeout: 10_000,
    ...(signal ? { signal } : {}),
  });
  if (exitCode === 0) return (JSON.parse(stdout) as { deployment: Deployment }).deployment;
  if (/no stack named .* found/.test(stderr)) return undefined;
  throw new UserError("E_COMMAND", {
    seen: `exit code ${exitCode}`,
    wanted: `the state of ${stack}, or that there is none`,
    next: pasteable(argv),
    detail: tail(stderr),
  });
}

function asState(deployment: Deployment | undefined): StackState | undefined {
  return deployment && { resources: deployment.resources ?? [], pending: deployment.pending_operations ?? [] };
}
