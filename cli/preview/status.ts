import { table } from "../table";
import { decide, endText } from "./decide";
import type { Details } from "./details";
import type { PreviewFacts } from "./facts";
import { stateText } from "./list";
import { costText, quotaText } from "./summary";

/** All that is known of one preview. @param now milliseconds since the epoch */
export function statusText(facts: PreviewFacts, details: Details | string, now: number): string {
  const { name, namespace, cluster, owner, created, lastUsed, commit, template, stack, checkout } = facts;
  const known =
    typeof details === "string"
      ? [["cluster says", details]]
      : [
          [
            "Bay",
            details.bay
              ? `pod ${details.bay.name}, ${details.bay.phase}, ${details.bay.ready ? "ready" : "NOT ready"}`
              : "GONE: there is no such pod",
          ],
          ...(details.bay ? [["image", details.bay.image]] : []),
          ["takes", costText(details.cost)],
          ["quota", quotaText(details)],
        ];
  const verdict = decide(facts, { now, owner, checkout, host: facts.host });
  return table(
    [{ title: `preview ${name}` }, { title: stateText(facts) }],
    [
      ["cluster", cluster],
      ["namespace", namespace ?? "none"],
      ["stack", stack ?? `none here; made by ${checkout || "another checkout"}`],
      ["template", template],
      ["owner", owner],
      ["made of", commit === "" ? "the files of the checkout, as they were" : `commit ${commit}`],
      ["made", created],
      ["last used", lastUsed],
      ["ends", endText(facts, now)],
      ["at the next gc", verdict.action === "stay" ? `stays: ${verdict.why}` : `goes: ${verdict.why}`],
      ...known,
    ],
  );
}
