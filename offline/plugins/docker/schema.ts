/**
 * Inputs of the resources as data: defaults, and what a change of each input does. The two functions here give
 * the answers of the bridge on which the official plugin is built.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  containsUnknown,
  equal,
  formatPath,
  isMap,
  UNKNOWN,
  unwrap,
  type CheckFailure,
  type CheckRequest,
  type CheckResult,
  type DiffKind,
  type DiffRequest,
  type DiffResult,
  type Path,
  type Plain,
  type Value,
  type ValueMap,
} from "../rpc";

/** One input. */
export interface Field {
  required?: true;
  /** Filled in when the program gives nothing. The bridge does not fill in false, 0 and "". */
  default?: Plain;
  /** A change is an update in place; else it replaces the resource. */
  inPlace?: true;
  /** The order of the list means nothing. */
  set?: true;
  /** The fields of the object, or of each object of the list. */
  fields?: Record<string, Field>;
}
export type Schema = Record<string, Field>;

/** Inputs with defaults and the reasons against them. `autoName` fills in `name` from the resource's name. */
export function checkInputs(schema: Schema, type: string, request: CheckRequest, autoName = true): CheckResult {
  const given =
    autoName && schema.name && request.news.name === undefined
      ? { ...request.news, name: automaticName(request) }
      : request.news;
  const inputs = withDefaults(
    schema,
    given,
    autoName && request.news.name === undefined && schema.name ? ["name"] : [],
  );
  const failures: CheckFailure[] = [];
  for (const key of Object.keys(request.news)) {
    if (!(key in schema) && key !== "__defaults")
      failures.push({
        property: key,
        reason: `${key} of ${type} is not implemented by the registry-only plugin; use the official plugin for it`,
      });
  }
  for (const [key, field] of Object.entries(schema)) {
    if (field.required && (inputs[key] === undefined || inputs[key] === null))
      failures.push({ property: key, reason: `Missing required argument: ${key} of ${type}` });
  }
  return { inputs, failures };
}

/**
 * Keeps the name of the last time; else the resource's name and seven hexadecimal digits, the same ones when a plan is
 * carried out.
 */
function automaticName({ name, olds, randomSeed }: CheckRequest): Value {
  const defaults = olds.__defaults;
  if (olds.name !== undefined && Array.isArray(defaults) && defaults.includes("name")) return olds.name;
  const bytes = randomSeed.length > 0 ? createHash("sha256").update(randomSeed).digest() : randomBytes(4);
  return `${name}-${bytes.toString("hex").slice(0, 7)}`;
}

function withDefaults(schema: Schema, given: ValueMap, filled: string[]): ValueMap {
  const inputs: ValueMap = {};
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || key === "__defaults") continue;
    const fields = schema[key]?.fields;
    inputs[key] = fields ? nested(fields, value) : value;
  }
  const defaults = [...filled];
  for (const [key, field] of Object.entries(schema)) {
    if (field.default === undefined || inputs[key] !== undefined) continue;
    inputs[key] = field.default as Value;
    defaults.push(key);
  }
  return { ...inputs, __defaults: defaults.sort() };
}

function nested(fields: Schema, value: Value): Value {
  if (Array.isArray(value)) return value.map((element) => nested(fields, element));
  return isMap(value) ? withDefaults(fields, value, []) : value;
}

/** What changed between the inputs of the last operation and the new ones, and what must be done about it. */
export function diffInputs(schema: Schema, { oldInputs, news }: DiffRequest): DiffResult {
  const detailed: NonNullable<DiffResult["detailed"]> = {};
  const replaces = new Set<string>();
  const changed: string[] = [];
  for (const key of [...new Set([...Object.keys(oldInputs), ...Object.keys(news)])].sort()) {
    if (key === "__defaults") continue;
    const field = schema[key] ?? {};
    const changes = compare([key], oldInputs[key], news[key], field);
    for (const { path, kind } of changes)
      detailed[formatPath(path)] = { kind: (field.inPlace ? kind : `${kind}-replace`) as DiffKind };
    if (changes.length > 0) changed.push(key);
    if (changes.length > 0 && !field.inPlace) replaces.add(key);
  }
  const diffs = [...new Set(changed)];
  return {
    changes: diffs.length > 0,
    diffs,
    detailed,
    replaces: [...replaces],
    deleteBeforeReplace: replaces.size > 0 && nameStays(oldInputs, news),
  };
}

/** Two resources cannot have one name at a time, unless the name is automatic (then the new one gets another). */
function nameStays(oldInputs: ValueMap, news: ValueMap): boolean {
  const automatic = Array.isArray(news.__defaults) && news.__defaults.includes("name");
  return !automatic && news.name !== undefined && (equal(oldInputs.name, news.name) || containsUnknown(news.name));
}

interface Change {
  path: Path;
  kind: "add" | "delete" | "update";
}

function compare(path: Path, wrappedOld: Value | undefined, wrappedNew: Value | undefined, field: Field): Change[] {
  if (equal(wrappedOld, wrappedNew) && !containsUnknown(wrappedNew)) return [];
  if (wrappedOld === undefined) return [{ path, kind: "add" }];
  if (wrappedNew === undefined) return [{ path, kind: "delete" }];
  const [old, next] = [unwrap(wrappedOld), unwrap(wrappedNew)];
  if (next === UNKNOWN) return [{ path, kind: "update" }];
  if (Array.isArray(old) && Array.isArray(next))
    return field.set ? compareSets(path, old, next) : compareLists(path, old, next, field);
  if (isMap(old) && isMap(next)) return compareMaps(path, old, next, field);
  return [{ path, kind: "update" }];
}

function compareMaps(path: Path, old: ValueMap, next: ValueMap, field: Field): Change[] {
  const keys = [...new Set([...Object.keys(old), ...Object.keys(next)])].filter((key) => key !== "__defaults").sort();
  return keys.flatMap((key) => compare([...path, key], old[key], next[key], field.fields?.[key] ?? {}));
}

function compareLists(path: Path, old: Value[], next: Value[], field: Field): Change[] {
  return Array.from({ length: Math.max(old.length, next.length) }, (_none, index) =>
    compare([...path, index], old[index], next[index], { fields: field.fields }),
  ).flat();
}

/** Elements count once and wherever they stand; one that went and one that came at the same index are an update. */
function compareSets(path: Path, old: Value[], next: Value[]): Change[] {
  const gone = old.flatMap((element, index) => (next.some((other) => same(element, other)) ? [] : [index]));
  const come = next.flatMap((element, index) => (old.some((other) => same(element, other)) ? [] : [index]));
  return [...new Set([...gone, ...come])]
    .sort((a, b) => a - b)
    .map((index) => ({
      path: [...path, index],
      kind: gone.includes(index) ? (come.includes(index) ? "update" : "delete") : "add",
    }));
}

function same(left: Value, right: Value): boolean {
  return equal(withoutBookkeeping(left), withoutBookkeeping(right)) && !containsUnknown(right);
}

function withoutBookkeeping(value: Value): Value {
  return isMap(value) ? Object.fromEntries(Object.entries(value).filter(([key]) => key !== "__defaults")) : value;
}
