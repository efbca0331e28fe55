/** Inputs in the form in which the API server will give them back, so that equal meaning gives no difference. */
import { isMap, mapEntries, Unknown, UNKNOWN, type Value, type ValueMap } from "../rpc/values";
import { gvkOf, mapAt, withMetadata } from "./objects";
import { canonicalQuantity } from "./quantity";

/** Metadata that only the API server sets. */
const READ_ONLY_METADATA = [
  "creationTimestamp",
  "deletionGracePeriodSeconds",
  "deletionTimestamp",
  "generation",
  "managedFields",
  "resourceVersion",
  "uid",
];

/** Maps of quantities, by the name of their field. */
const QUANTITY_MAPS = new Set(["limits", "requests", "capacity", "hard", "overhead"]);
/** Single quantities, by the name of their field. */
const QUANTITIES = new Set(["sizeLimit", "divisor"]);
/** Maps that the API server leaves out when they are empty; other empty objects have a meaning (`emptyDir: {}`). */
const OPTIONAL_MAPS = new Set([
  "labels",
  "annotations",
  "matchLabels",
  "nodeSelector",
  "data",
  "binaryData",
  "limits",
  "requests",
  "parameters",
]);
/** Lists that are kept although empty. */
const KEPT_LISTS = new Set(["rules", "containers", "verbs"]);

/** A copy without `null`, which Pulumi treats as absent. */
export function withoutNulls(map: ValueMap): ValueMap {
  const clean = (value: Value): Value =>
    Array.isArray(value)
      ? value.filter((element) => element !== null).map(clean)
      : isMap(value)
        ? withoutNulls(value)
        : value;
  return mapEntries(
    Object.fromEntries(Object.entries(map).filter(([, value]) => value !== null && value !== undefined)),
    clean,
  );
}

/**
 * The object without read-only metadata; of a kind that is part of Kubernetes also with canonical quantities, without
 * empty optional fields, and a Secret with `stringData` moved into `data`.
 */
export function normalize(object: ValueMap): ValueMap {
  const { group } = gvkOf(object);
  const builtIn = !group.includes(".") || group.endsWith(".k8s.io");
  const known = builtIn ? normalizeMap(isSecretObject(object) ? foldStringData(object) : object) : object;
  if (!isMap(known.metadata)) return known;
  return READ_ONLY_METADATA.reduce((rest, field) => withMetadata(rest, field, undefined), known);
}

/** Whether the object is a core/v1 Secret. */
export function isSecretObject(object: ValueMap): boolean {
  const { group, version, kind } = gvkOf(object);
  return group === "" && version === "v1" && kind === "Secret";
}

/** `stringData` is written only; the API server merges it into `data`, encoded. */
function foldStringData(object: ValueMap): ValueMap {
  const { stringData, ...rest } = object;
  if (stringData === undefined) return object;
  if (!isMap(stringData)) return { ...rest, data: UNKNOWN };
  const encoded = mapEntries(stringData, (value) =>
    value instanceof Unknown ? UNKNOWN : Buffer.from(String(value)).toString("base64"),
  );
  return { ...rest, data: { ...mapAt(object, "data"), ...encoded } };
}

function normalizeMap(map: ValueMap): ValueMap {
  const kept = Object.entries(map).filter(([key, value]) => !isDropped(key, value));
  return mapEntries(Object.fromEntries(kept), normalizeValue);
}

function isDropped(key: string, value: Value | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0 && !KEPT_LISTS.has(key);
  return isMap(value) && OPTIONAL_MAPS.has(key) && Object.keys(value).length === 0;
}

function normalizeValue(value: Value, key: string): Value {
  if (QUANTITIES.has(key) && isQuantity(value)) return canonicalQuantity(value);
  if (isMap(value) && QUANTITY_MAPS.has(key))
    return mapEntries(value, (inner) => (isQuantity(inner) ? canonicalQuantity(inner) : inner));
  if (isMap(value) && (key === "data" || key === "labels" || key === "annotations")) return value;
  if (Array.isArray(value)) return value.map((element) => normalizeValue(element, ""));
  return isMap(value) ? normalizeMap(value) : value;
}

function isQuantity(value: Value): value is string | number {
  return typeof value === "string" || typeof value === "number";
}
