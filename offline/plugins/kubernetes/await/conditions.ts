/** Reading conditions, generations and selectors. */
import type { ValueMap } from "../../rpc/values";
import { listAt, mapAt, namespaceOf, nameOf, numberAt, textAt } from "../objects";

/** One entry of `status.conditions`; `status` is "" when the condition is not there. */
export interface Condition {
  status: string;
  reason: string;
  message: string;
}

export function condition(object: ValueMap, type: string): Condition {
  const found = listAt(object, "status", "conditions").find((entry) => textAt(entry, "type") === type);
  return { status: textAt(found, "status"), reason: textAt(found, "reason"), message: textAt(found, "message") };
}

/** Whether the controller has seen the newest specification. */
export function isObserved(object: ValueMap): boolean {
  return (numberAt(object, "status", "observedGeneration") ?? 0) >= (numberAt(object, "metadata", "generation") ?? 0);
}

/** `namespace/name`, for messages. */
export function shown(object: ValueMap): string {
  return `${namespaceOf(object) || "default"}/${nameOf(object)}`;
}

/** A label selector in the form of a query parameter. */
export function selectorText(selector: ValueMap): string {
  const labels = Object.entries(mapAt(selector, "matchLabels")).map(([key, value]) => `${key}=${String(value)}`);
  const expressions = listAt(selector, "matchExpressions").map((entry) => {
    const key = textAt(entry, "key");
    const values = listAt(entry, "values").map(String).join(",");
    switch (textAt(entry, "operator")) {
      case "Exists":
        return key;
      case "DoesNotExist":
        return `!${key}`;
      case "NotIn":
        return `${key} notin (${values})`;
      default:
        return `${key} in (${values})`;
    }
  });
  return [...labels, ...expressions].join(",");
}

/** Objects that are controlled by the owner. */
export function ownedBy(objects: readonly ValueMap[], owner: ValueMap): ValueMap[] {
  const uid = textAt(owner, "metadata", "uid");
  return objects.filter((object) =>
    listAt(object, "metadata", "ownerReferences").some((reference) => textAt(reference, "uid") === uid),
  );
}
