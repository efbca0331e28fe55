import { detectBackend, type Detection } from "../../infra/backends/detect";
import { type BackendName, BACKENDS } from "../../infra/outputs";
import { isPreviewStack } from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { nearest } from "../../infra/support/nearest";
import { type KnownStack, knownStacks } from "./known-stacks";
import { probeBackends } from "../probe/probe";
import { makeStackFile, readStackFile, stackFilePath } from "./stack-file";

/** What the user said on the command line. */
export interface Wish {
  stack?: string;
  backend?: string;
}

/** What the stack is chosen for: to be made, to be looked at, or to be removed. */
export type Purpose = "make" | "look" | "remove";

export interface Choice {
  stack: string;
  /** Why this one, in one line; nothing where the user named it. */
  reason?: string;
}

/** The stack of a host where nothing is up and nothing can be detected: for words such as "the stack … is not up". */
const FALLBACK = "k3s";

/**
 * Chooses the stack of a command: the named one, else the one that is up, else the one that detection finds.
 * Says on standard error which one it is where the user did not name it.
 * `--backend` with a stack that has no file makes the file, when the stack is to be made.
 * @throws UserError E_USAGE, E_CONFIG, E_STACK_AMBIGUOUS, E_NO_BACKEND
 */
export async function chooseStack(wish: Wish, purpose: Purpose): Promise<string> {
  const { stack, reason } = await choose(wish, purpose);
  if (reason !== undefined) process.stderr.write(`stack ${stack}: ${reason}\n`);
  return stack;
}

/** As `chooseStack`, and says nothing. */
export async function choose(wish: Wish, purpose: Purpose): Promise<Choice> {
  const backend = wish.backend === undefined ? undefined : requireBackend(wish.backend);
  const named = wish.stack ?? backend;
  if (named === undefined) return pick(await knownStacks(), purpose, async () => detectBackend(await probeBackends()));
  requireStackName(named);
  settleFile(named, backend, purpose);
  return { stack: named };
}

/**
 * Chooses among the stacks that are there, or by detection; a pure function but for `detect`. Previews are chosen by
 * name alone.
 */
export async function pick(
  known: readonly KnownStack[],
  purpose: Purpose,
  detect: () => Promise<Detection>,
): Promise<Choice> {
  const there = known
    .filter(({ name }) => !isPreviewStack(name))
    .filter(({ condition, inState }) => (purpose === "remove" ? inState : condition === "up"));
  if (there.length === 1)
    return {
      stack: there[0]!.name,
      reason:
        purpose === "remove" ? "the only one that this checkout has made" : "the only one of this checkout that is up",
    };
  if (there.length > 1 && purpose !== "make") throw ambiguous(there, purpose);
  if (purpose === "make") {
    const found = await detect();
    return { stack: found.backend, reason: found.reason };
  }
  // Nothing is up, and the command will say so; it only needs a name for it.
  return {
    stack: await detect().then(
      ({ backend }) => backend,
      () => FALLBACK,
    ),
  };
}

/** @throws UserError E_USAGE for a backend that there is not */
function requireBackend(backend: string): BackendName {
  const found = BACKENDS.find((name) => name === backend);
  if (found) return found;
  const near = nearest(backend, BACKENDS);
  throw new UserError("E_USAGE", {
    seen: `--backend ${backend}`,
    wanted: `one of ${BACKENDS.join(", ")}`,
    next: near ? `--backend ${near}   (is that what you meant?)` : "npm run detect",
  });
}

/** Pulumi's own rule for names; anything else would also make a strange file name. */
function requireStackName(stack: string): void {
  if (/^(\w[\w.-]*\/){0,2}\w[\w.-]{0,99}$/.test(stack)) return;
  throw new UserError("E_USAGE", {
    seen: `--stack ${stack}`,
    wanted: "letters, digits, -, _ and ., at most 100",
    next: "--stack my-stack",
  });
}

/** Brings a stack's file in line with the command line, or says why that cannot be. */
function settleFile(stack: string, wanted: BackendName | undefined, purpose: Purpose): void {
  const file = readStackFile(stack);
  const own = BACKENDS.find((name) => name === stack);
  if (!file) {
    if (purpose !== "make") return;
    const backend = wanted ?? own;
    if (backend === undefined) {
      throw new UserError("E_CONFIG", {
        seen: `no file stacks/Pulumi.${stack}.yaml, and "${stack}" is no backend`,
        wanted: "a backend for the new stack",
        next: `add --backend NAME, one of ${BACKENDS.join(", ")}`,
      });
    }
    makeStackFile(stack, backend);
    return;
  }
  const configured = file.config["backend"] || own;
  if (wanted !== undefined && configured !== wanted) {
    throw new UserError("E_CONFIG", {
      seen: `--backend ${wanted}, and ${shown(stack)} says ${typeof configured === "string" ? configured : "no backend"}`,
      wanted: "the same backend in both",
      next: `leave --backend out, or name another stack: --stack ${stack}-${wanted} --backend ${wanted}`,
    });
  }
}

function shown(stack: string): string {
  return `stacks/${stackFilePath(stack).split("/").at(-1)!}`;
}

function ambiguous(stacks: readonly KnownStack[], purpose: Purpose): UserError {
  const names = stacks.map(({ name }) => name);
  return new UserError("E_STACK_AMBIGUOUS", {
    seen: names.map((name, index) => `${name} (${stacks[index]!.condition})`).join(", "),
    wanted: `one stack to ${purpose === "remove" ? "remove" : "look at"}`,
    next: `add --stack ${names[0]!}, or another of them`,
  });
}
