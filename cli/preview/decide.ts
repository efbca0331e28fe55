import type { PreviewFacts } from "./facts";
import { pullRequestOf } from "./names";
import { spanText } from "./times";

/** What becomes of a preview at a garbage collection. */
export interface Verdict {
  /**
   * `down`: by its stack; `forget`: by its stack, whose cluster is gone; `namespace`: by its labels alone, where no
   * state is at hand; `stay`: nothing.
   */
  action: "down" | "forget" | "namespace" | "stay";
  why: string;
}

export interface Judge {
  /** Milliseconds since the epoch. */
  now: number;
  /** Whose previews may go. */
  owner: string;
  /** Another owner whose previews may go if their state is here: what older versions called this one. */
  formerOwner?: string;
  /** Names of the open pull requests' previews, and numbers of the open pull requests; nothing where nobody asked. */
  open?: ReadonlySet<string>;
  /** This checkout: what it made and has no state of is nobody's. */
  checkout: string;
  /** This host: the folder of a checkout means nothing on another. */
  host: string;
}

/** Whether a preview may go, and why; a pure function over what was found. */
export function decide(facts: PreviewFacts, judge: Judge): Verdict {
  const stay = (why: string): Verdict => ({ action: "stay", why });
  const former = facts.stack !== undefined && facts.owner === judge.formerOwner;
  if (facts.owner !== judge.owner && !former) return stay(`of another owner, ${facts.owner || "nobody"}`);
  if (facts.busy) return stay(facts.busy);
  if (facts.clusterState === "gone") return { action: "forget", why: "its cluster is gone" };
  if (facts.clusterState === "silent") return stay("its cluster does not answer");
  if (facts.terminating && facts.stack === undefined) return stay("its namespace is being deleted");
  // Without its namespace nothing is left to reach, and the cluster may be a new one of the old name.
  const action = facts.stack === undefined ? "namespace" : facts.namespace === undefined ? "forget" : "down";
  const why = orphaned(facts, judge) ?? (facts.keep ? undefined : outlived(facts, judge));
  return why === undefined ? stay(reasonToStay(facts, judge)) : { action, why };
}

/** One half of it is missing. */
function orphaned(
  { stack, namespace, whole, checkout, host, condition }: PreviewFacts,
  judge: Judge,
): string | undefined {
  if (stack === undefined)
    return checkout === judge.checkout && (host === "" || host === judge.host)
      ? "a namespace of this checkout that no state knows"
      : undefined;
  if (namespace === undefined)
    return condition === "not up" || condition === "elsewhere" ? "nothing of it was made" : "its namespace is gone";
  return whole ? undefined : "its up did not come to its end";
}

function outlived({ name, expires, idle, lastUsed, created }: PreviewFacts, { now, open }: Judge): string | undefined {
  const since = (iso: string) => (now - Date.parse(iso)) / 1000;
  if (expires !== "" && since(expires) >= 0) return `expired ${spanText(since(expires))} ago`;
  const used = lastUsed || created;
  if (idle > 0 && used !== "" && since(used) >= idle) return `not used for ${spanText(since(used))}`;
  const number = pullRequestOf(name);
  if (open && number !== undefined && !open.has(String(number)) && !open.has(name))
    return `pull request ${number} is not open`;
  return undefined;
}

function reasonToStay({ keep, expires, idle, lastUsed, created }: PreviewFacts, { now }: Judge): string {
  if (keep) return "kept";
  const left = (iso: string, seconds = 0) => spanText((Date.parse(iso) - now) / 1000 + seconds);
  const ends = [
    ...(expires === "" ? [] : [`expires in ${left(expires)}`]),
    ...(idle === 0 ? [] : [`goes after ${spanText(idle)} without use, in ${left(lastUsed || created, idle)}`]),
  ];
  return ends.join("; ") || "no end was set";
}

/** When a preview ends, in a few words for a table. */
export function endText({ keep, expires, idle }: Pick<PreviewFacts, "keep" | "expires" | "idle">, now: number): string {
  if (keep) return "kept";
  const rest = (Date.parse(expires) - now) / 1000;
  const ttl = expires === "" ? [] : [rest > 0 ? `in ${spanText(rest)}` : `expired ${spanText(-rest)} ago`];
  return [...ttl, ...(idle === 0 ? [] : [`idle ${spanText(idle)}`])].join(", ") || "never";
}
