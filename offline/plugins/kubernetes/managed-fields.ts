/** Who owns which field of an object, as server-side apply keeps it. */
import { isMap, type Value, type ValueMap } from "../rpc/values";
import { at, listAt, mapAt, textAt } from "./objects";

/** Owners that are really this plugin or were replaced by it; the apply manager takes over their fields. */
const TAKEN_OVER: readonly { manager: string; operation: "Apply" | "Update" }[] = [
  { manager: "kubectl", operation: "Apply" },
  { manager: "kubectl", operation: "Update" },
  { manager: "before-first-apply", operation: "Update" },
  { manager: "pulumi-kubernetes", operation: "Update" },
  { manager: "pulumi-resource-kubernetes", operation: "Update" },
];

function isTakenOver(entry: Value): boolean {
  return (
    textAt(entry, "subresource") === "" &&
    TAKEN_OVER.some(
      ({ manager, operation }) => textAt(entry, "manager") === manager && textAt(entry, "operation") === operation,
    )
  );
}

/** Whether fields belong to an owner that `takeOver` would replace. */
export function needsTakeOver(live: ValueMap): boolean {
  return listAt(live, "metadata", "managedFields").some(isTakenOver);
}

/**
 * The owners after the manager has taken over what a plain create left behind, or `undefined` when there is nothing to
 * take over. Without it the first apply would conflict with the plugin's own create.
 */
export function takeOver(live: ValueMap, manager: string): ValueMap[] | undefined {
  if (!needsTakeOver(live)) return undefined;
  const entries = listAt(live, "metadata", "managedFields").filter(isMap);
  const isOurs = (entry: ValueMap): boolean =>
    textAt(entry, "manager") === manager &&
    textAt(entry, "operation") === "Apply" &&
    textAt(entry, "subresource") === "";
  const merged = entries.filter((entry) => isOurs(entry) || isTakenOver(entry));
  const [first] = merged;
  const ours: ValueMap = {
    ...first,
    manager,
    operation: "Apply",
    fieldsV1: merged.map((entry) => mapAt(entry, "fieldsV1")).reduce(union, {}),
  };
  return [...entries.filter((entry) => !merged.includes(entry)), ours];
}

/** Whether the field at a path of keys is owned by others but not by `manager`. */
export function ownedByOthersOnly(live: ValueMap, manager: string, path: readonly string[]): boolean {
  const steps = path.map((step) => `f:${step}`);
  const owners = listAt(live, "metadata", "managedFields")
    .filter((entry) => at(entry, "fieldsV1", ...steps) !== undefined)
    .map((entry) => textAt(entry, "manager"));
  return owners.length > 0 && !owners.includes(manager);
}

function union(a: ValueMap, b: ValueMap): ValueMap {
  const merged = { ...a };
  for (const [key, value] of Object.entries(b)) {
    const known = merged[key];
    merged[key] = isMap(known) && isMap(value) ? union(known, value) : value;
  }
  return merged;
}
