/** Kubernetes objects as plain property maps, and how Pulumi names them. */
import { isMap, type Value, type ValueMap } from "../rpc/values";

/** Group, version and kind of an object; the core group is "". */
export interface Gvk {
  group: string;
  version: string;
  kind: string;
}

/** The value at a path of keys and indexes, or `undefined`. */
export function at(value: Value | undefined, ...path: (string | number)[]): Value | undefined {
  return path.reduce<Value | undefined>((inner, step) => {
    if (typeof step === "number") return Array.isArray(inner) ? inner[step] : undefined;
    return isMap(inner) && Object.hasOwn(inner, step) ? inner[step] : undefined;
  }, value);
}

/** The text at a path; "" when there is none. */
export function textAt(value: Value | undefined, ...path: (string | number)[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : "";
}

/** The number at a path; `undefined` when there is none. */
export function numberAt(value: Value | undefined, ...path: (string | number)[]): number | undefined {
  const found = at(value, ...path);
  return typeof found === "number" ? found : undefined;
}

/** The object at a path; empty when there is none. */
export function mapAt(value: Value | undefined, ...path: (string | number)[]): ValueMap {
  const found = at(value, ...path);
  return isMap(found) ? found : {};
}

/** The list at a path; empty when there is none. */
export function listAt(value: Value | undefined, ...path: (string | number)[]): Value[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** A copy of the object with one field of its metadata set, or removed by `undefined`. */
export function withMetadata(object: ValueMap, field: string, value: Value | undefined): ValueMap {
  const others = Object.entries(mapAt(object, "metadata")).filter(([name]) => name !== field);
  return { ...object, metadata: Object.fromEntries(value === undefined ? others : [...others, [field, value]]) };
}

export function nameOf(object: ValueMap): string {
  return textAt(object, "metadata", "name");
}
export function namespaceOf(object: ValueMap): string {
  return textAt(object, "metadata", "namespace");
}
export function kindOf(object: ValueMap): string {
  return textAt(object, "kind");
}

/** Group, version and kind that an object states of itself. `core/v1` is an old way to write `v1`. */
export function gvkOf(object: ValueMap): Gvk {
  const [first = "", second] = textAt(object, "apiVersion").split("/");
  const group = second === undefined ? "" : first;
  return { group: group === "core" ? "" : group, version: second ?? first, kind: kindOf(object) };
}

/**
 * Group, version and kind in a type token such as `kubernetes:apps/v1:Deployment`.
 * @throws Error for a token that names no Kubernetes kind.
 */
export function gvkOfType(type: string): Gvk {
  const [pkg, module = "", kind = ""] = type.split(":");
  const [group = "", version] = module.split("/");
  if (pkg !== "kubernetes" || !version || !kind)
    throw new Error(`"${type}" is not a type of the kubernetes provider with group, version and kind`);
  return { group: group === "core" ? "" : group, version, kind };
}

/** `apiVersion` of a group and version, e.g. `v1` or `apps/v1`. */
export function apiVersionOf({ group, version }: Gvk): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Pulumi's id of an object: `namespace/name`, or the name alone. */
export function idOf(object: ValueMap): string {
  const namespace = namespaceOf(object);
  return namespace === "" ? nameOf(object) : `${namespace}/${nameOf(object)}`;
}

/** Namespace ("" for none) and name in an id. */
export function parseId(id: string): { namespace: string; name: string } {
  const slash = id.indexOf("/");
  return slash < 0 ? { namespace: "", name: id } : { namespace: id.slice(0, slash), name: id.slice(slash + 1) };
}

/** Whether two values are the same, keys in any order. */
export function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((element, index) => sameValue(element, b[index]));
  if (!isMap(a) || !isMap(b)) return false;
  const keys = (map: ValueMap): string[] => Object.keys(map).filter((key) => map[key] !== undefined);
  return keys(a).length === keys(b).length && keys(a).every((key) => sameValue(a[key], b[key]));
}
