import { hostname } from "node:os";
import { LABELS, ownerOf } from "../../infra/naming";
import { ROOT } from "../paths";
import type { KnownStack } from "../stack/known-stacks";
import { presenceOf } from "./checkouts";
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
  /** Folder of a checkout that cannot be looked for from here; what it made goes because it was named. */
  checkout?: string;
}

/** What is known of the stacks of this checkout, and who may be swept. */
export interface Claims {
  /** Checkouts that were met and could not be looked for: what they made stays. */
  unknown: ReadonlySet<string>;
  /** Why a checkout that is not this one may be swept; nothing where it may not. */
  whyGone(mark: Pick<Mark, "checkout" | "host">): string | undefined;
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
  /** Host that made it; nothing where it does not say, as of things of this host's Docker. */
  host?: string;
  /** Whether hosts share the place where it was found, so that one which does not say its host may be of any. */
  shared?: boolean;
}

/** Who may be swept: a look at what the stacks of this checkout are and which checkouts exist. */
export function claimsOf(
  names: readonly string[],
  known: readonly KnownStack[],
  interrupted: readonly { stack: string; why: string }[],
  { all, checkout: named }: Pick<SweepOptions, "all" | "checkout">,
): Claims {
  const ids = new Map(names.map((name) => [ownerOf(ROOT, name).id, name]));
  const unknown = new Set<string>();
  const ownStack = (id: string) => ids.get(id);
  const whyGone = ({ checkout, host, shared }: Pick<Mark, "checkout" | "host" | "shared">) => {
    if (checkout === "") return undefined;
    const elsewhere = host === undefined ? shared === true : host !== hostname();
    const presence = elsewhere ? "unknown" : presenceOf(checkout);
    if (presence === "gone") return "its checkout is gone";
    if (presence === "here") return undefined;
    if (checkout === named) return "its checkout was named by --checkout";
    unknown.add(checkout);
    return undefined;
  };
  return {
    ownStack,
    unknown,
    whyGone,
    whyOf: (mark) => {
      const { id, stack: label, checkout, host } = mark;
      // The same folder on another host has the same ids.
      const ofThisHost = host === undefined || host === hostname();
      const stack = ofThisHost ? (ownStack(id) ?? (checkout === ROOT ? label : undefined)) : undefined;
      if (stack === undefined) return whyGone(mark);
      if (inUse(stack)) return undefined;
      const cut = interrupted.find((one) => one.stack === stack);
      if (cut) return cut.why;
      const { condition } = known.find(({ name }) => name === stack) ?? { condition: "not up" as const };
      if (condition === "up") return all ? "up, and --all was given" : undefined;
      return "no state knows it";
    },
  };
}

/** Whose something in Docker is, as its labels say. */
export function markOf(labels: Record<string, string>): Mark {
  return { id: labels[LABELS.owner] ?? "", stack: labels[LABELS.stack] ?? "", checkout: labels[LABELS.checkout] ?? "" };
}

/** Whose a namespace is. Hosts share clusters, and a folder means nothing without its host. */
export function markOfNamespace({
  labels,
  annotations,
}: {
  labels: Record<string, string>;
  annotations: Record<string, string>;
}): Mark {
  const host = annotations[LABELS.host];
  return {
    ...markOf({ ...labels, [LABELS.checkout]: annotations[LABELS.checkout] ?? "" }),
    shared: true,
    ...(host === undefined ? {} : { host }),
  };
}

/** Stack and checkout for the table: a stack of this checkout has its full name. */
export function place(mark: Mark, own: string | undefined): { stack: string; checkout: string } {
  return own === undefined ? { stack: mark.stack, checkout: mark.checkout } : { stack: own, checkout: ROOT };
}

/** Whether somebody works on a stack now: a run of ours, or a Pulumi that was called by hand. */
export function inUse(stack: string): boolean {
  return runsOf(stack).length > 0 || liveLock(stack) !== undefined;
}
