import type { EngineEvent } from "@pulumi/pulumi/automation";

/** One field that is not as the stack has it. */
export interface Field {
  path: string;
  wanted: unknown;
  found: unknown;
}

/** One object that somebody else changed or removed. */
export interface Drift {
  /** Kind and name as people know them, such as `Role bay-e2e-test/bay-role`. */
  object: string;
  /** Empty where the object is gone. */
  fields: Field[];
}

/** What a look at the real things found, from the events of a refresh that changes nothing. */
export function driftOf(events: readonly EngineEvent[]): Drift[] {
  const steps = events.flatMap(({ resOutputsEvent }) => resOutputsEvent?.metadata ?? []);
  return steps.flatMap(({ op, type, urn, old, new: found }): Drift[] => {
    if (!old || type.startsWith("pulumi:")) return [];
    const object = nameOf(type, urn, old.inputs);
    if (op === "delete" || !found) return [{ object, fields: [] }];
    const fields = fieldsOf(old.inputs, found.inputs);
    return fields.length > 0 ? [{ object, fields }] : [];
  });
}

/** Where two trees differ; lists are compared by place. */
export function fieldsOf(wanted: unknown, found: unknown, path = ""): Field[] {
  const trees = [wanted, found].map((value) =>
    typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined,
  );
  const [left, right] = trees;
  if (!left || !right || Array.isArray(wanted) !== Array.isArray(found))
    return same(wanted, found) ? [] : [{ path, wanted, found }];
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])].filter((key) => !key.startsWith("__"));
  return keys.flatMap((key) => fieldsOf(left[key], right[key], step(path, key, Array.isArray(wanted))));
}

/** All that was found, for people. */
export function describeDrift(found: readonly Drift[]): string {
  return found
    .map(({ object, fields }) =>
      fields.length === 0
        ? `${object}: gone`
        : [
            `${object}: changed`,
            ...fields.map(
              ({ path, wanted, found: value }) => `  ${path}: wanted ${shown(wanted)}, found ${shown(value)}`,
            ),
          ].join("\n"),
    )
    .join("\n");
}

function same(a: unknown, b: unknown): boolean {
  const empty = (value: unknown) =>
    value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);
  return a === b || (empty(a) && empty(b));
}

function step(path: string, key: string, inList: boolean): string {
  if (inList) return `${path}[${key}]`;
  if (/^\w+$/.test(key)) return path === "" ? key : `${path}.${key}`;
  return `${path}["${key}"]`;
}

function shown(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

function nameOf(type: string, urn: string, inputs: Record<string, unknown>): string {
  const { name, namespace } = (inputs["metadata"] ?? inputs) as { name?: unknown; namespace?: unknown };
  const own = typeof name === "string" ? name : urn.split("::").at(-1)!;
  return `${type.split(":").at(-1)!} ${typeof namespace === "string" ? `${namespace}/` : ""}${own}`;
}
