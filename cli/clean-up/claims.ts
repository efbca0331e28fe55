import { statSync } from "node:fs";
import { join } from "node:path";
import { LABELS, ownerOf } from "../../infra/naming";
import { ROOT } from "../paths";
import type { KnownStack } from "../stack/known-stacks";
import { liveLock } from "./locks";
import { runsOf } from "./marks";

/** Something that a run left, found without knowing the run. */
export interface Finding {
  kind: "container" | "volume" | "network" | "namespace" | "process" | "file" | "stack";
  name: string;
  stack: string;
  /** Folder of the checkout that made it; empty where it does not tell. */
  checkout: string;
  /** ISO 8601; empty where nobody knows. */
  created: string;
  /** Why it may go. */
  why: string;
  /** Stack of this checkout whose `down` removes it; else `remove` does. */
  down?: string;
  remove?: () => Promise<void>;
}

export interface SweepOptions {
  /** Only what belongs to this stack of this checkout. */
  stack?: string;
  /** Also stacks of this checkout that are up on purpose. */
  all: boolean;
}

/** What is known of the stacks of this checkout, and who may be swept. */
export interface Claims {
  /** Why what carries this owner's mark may go as a whole; nothing where it may not. */
  whyOf(owner: Mark): string | undefined;
  /** The stack of this checkout that an owner id is of. */
  ownStack(id: string): string | undefined;
}

/** Whose a thing is, as its labels tell. */
export interface Mark {
  id: string;
  stack: string;
  checkout: string;
}

/** Who may be swept: a pure look at what the stacks of this checkout are and which checkouts exist. */
export function claimsOf(names: readonly string[], known: readonly KnownStack[], interrupted: readonly { stack: string; why: string }[], { all }: Pick<SweepOptions, "all">): Claims {
  const ids = new Map(names.map((name) => [ownerOf(ROOT, name).id, name]));
  const ownStack = (id: string) => ids.get(id);
  return {
    ownStack,
    whyOf: ({ id, stack: label, checkout }) => {
      const stack = ownStack(id) ?? (checkout === ROOT ? label : undefined);
      if (stack === undefined) return checkout !== "" && isGone(checkout) ? "its checkout is gone" : undefined;
      if (inUse(stack)) return undefined;
      const cut = interrupted.find((one) => one.stack === stack);
      if (cut) return cut.why;
      const { condition } = known.find(({ name }) => name === stack) ?? { condition: "not up" as const };
      if (condition === "up") return all ? "up, and --all was given" : undefined;
      return "no state knows it";
    },
  };
}

/** Whose something with this project's labels is. */
export function markOf(labels: Record<string, string>, annotations: Record<string, string> = labels): Mark {
  return { id: labels[LABELS.owner] ?? "", stack: labels[LABELS.stack] ?? "", checkout: annotations[LABELS.checkout] ?? "" };
}

/** Stack and checkout for the table: a stack of this checkout has its full name. */
export function place(mark: Mark, own: string | undefined): { stack: string; checkout: string } {
  return own === undefined ? { stack: mark.stack, checkout: mark.checkout } : { stack: own, checkout: ROOT };
}

/** Whether somebody works on a stack now: a run of ours, or a Pulumi that was called by hand. */
export function inUse(stack: string): boolean {
  return runsOf(stack).length > 0 || liveLock(stack) !== undefined;
}

/** Whether this checkout may remove what another one made for a run that is over: its own things, and those of nobody. */
export function mayGo(checkout: string): boolean {
  return checkout === ROOT || isGone(checkout);
}

/** Only what is certainly not there counts as gone, not what may not be read. */
function isGone(checkout: string): boolean {
  if (checkout === "") return false;
  try {
    statSync(join(checkout, "Pulumi.yaml"));
    return false;
  } catch (error) {
    return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}
