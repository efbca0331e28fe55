import { table } from "../table";
import { endText } from "./decide";
import type { PreviewFacts } from "./facts";
import { spanText } from "./times";

/** What a preview's state is, in one or two words. */
export function stateText({ condition, namespace, clusterState, terminating, busy }: PreviewFacts): string {
  if (busy) return "busy";
  if (clusterState !== "answers") return clusterState === "gone" ? "cluster gone" : "no answer";
  if (terminating) return "going";
  if (namespace === undefined) return condition === "not up" ? "not made" : "namespace gone";
  return condition === "elsewhere" ? "elsewhere" : condition;
}

/** All previews, one a line. @param now milliseconds since the epoch */
export function listText(previews: readonly PreviewFacts[], now: number, width?: number): string {
  if (previews.length === 0) return "No preview was found. A first one: npm run preview -- up NAME";
  const ago = (iso: string) =>
    iso === "" ? "" : `${spanText((now - Date.parse(iso)) / 1000).replace(/^(\S+ \S+).*/, "$1")} ago`;
  const rows = previews.map((each) => [
    each.name,
    stateText(each),
    each.cluster,
    each.namespace ?? "",
    each.owner,
    ago(each.created),
    ago(each.lastUsed),
    endText(each, now),
    each.commit.slice(0, 7),
  ]);
  return table(
    ["preview", "state", "cluster", "namespace", "owner", "made", "used", "ends", "commit"].map((title) => ({ title })),
    rows,
    width,
  );
}
