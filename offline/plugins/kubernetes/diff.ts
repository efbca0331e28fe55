/** The difference between what is live and what the program wants. */
import type { DiffKind, DiffResult } from "../rpc/requests";
import { isMap, Unknown, type Value, type ValueMap } from "../rpc/values";
import { isAutonamed } from "./annotations";
import { at, nameOf, namespaceOf, sameValue, withMetadata } from "./objects";
import { isReplacing, replaceFields, type ReplaceSettings } from "./replace-rules";
import { prune } from "./prune";

/** What is compared. */
export interface DiffInput {
  /** Normalized inputs of the last operation. */
  oldInputs: ValueMap;
  /** The live object as it was last seen. */
  live: ValueMap;
  /** Normalized new inputs, without secret markers; unknown values are `Unknown`. */
  newInputs: ValueMap;
  /** Whether objects of this kind live in a namespace. */
  namespaced: boolean;
  /** Paths in Pulumi's notation whose changes do not count, with everything below them. */
  ignoreChanges?: readonly string[];
  settings?: ReplaceSettings;
}

type Detailed = Record<string, { kind: DiffKind; inputDiff: boolean }>;

/**
 * Compares the live object, cut down to the fields that the program declared before, with the new inputs: so drift of
 * declared fields counts and fields that only the cluster sets do not.
 */
export function diffObjects({
  oldInputs,
  live,
  newInputs,
  namespaced,
  ignoreChanges = [],
  settings,
}: DiffInput): DiffResult {
  const place = (object: ValueMap): ValueMap =>
    withMetadata(object, "namespace", namespaced ? (at(object, "metadata", "namespace") ?? "default") : undefined);
  const news = place(newInputs);
  let olds = withMetadata(place(prune(live, oldInputs)), "resourceVersion", undefined);
  olds = { ...olds, apiVersion: olds.apiVersion ?? news.apiVersion, kind: olds.kind ?? news.kind };
  if (nameOf(news) !== "") olds = withMetadata(olds, "name", nameOf(live));

  const detailed: Detailed = {};
  compareMaps({ fields: replaceFields(news, settings), detailed, ignore: ignoreChanges }, [], olds, news, oldInputs);
  const replaces = Object.keys(detailed).filter((path) => detailed[path]?.kind.endsWith("-replace"));
  const deleteBeforeReplace =
    replaces.length > 0 &&
    nameOf(news) !== "" &&
    !isAutonamed(news) &&
    nameOf(news) === nameOf(live) &&
    namespaceOf(news) === (namespaceOf(live) || (namespaced ? "default" : ""));
  return { changes: Object.keys(detailed).length > 0, replaces, deleteBeforeReplace, detailed };
}

/**
 * Compares inputs with inputs, for what has no object of its own in the cluster.
 * @param fields paths whose change replaces
 */
export function diffInputs(
  oldInputs: ValueMap,
  newInputs: ValueMap,
  fields: string[],
  ignoreChanges: readonly string[] = [],
): DiffResult {
  const detailed: Detailed = {};
  compareMaps({ fields, detailed, ignore: ignoreChanges }, [], oldInputs, newInputs, oldInputs);
  const replaces = Object.keys(detailed).filter((path) => detailed[path]?.kind.endsWith("-replace"));
  return { changes: Object.keys(detailed).length > 0, replaces, deleteBeforeReplace: false, detailed };
}

/** The path of a change as the official plugin writes it. */
export function diffPath(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    if (/[."[\]]/.test(step)) return `${text}["${step.replaceAll('"', '\\"')}"]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

interface Comparison {
  fields: string[];
  detailed: Detailed;
  ignore: readonly string[];
}
type Steps = readonly (string | number)[];

function compareMaps(
  comparison: Comparison,
  path: Steps,
  olds: ValueMap,
  news: ValueMap,
  oldInputs: Value | undefined,
): void {
  for (const key of new Set([...Object.keys(news), ...Object.keys(olds)])) {
    compare(comparison, [...path, key], olds[key], news[key], at(oldInputs, key));
  }
}

function compare(
  comparison: Comparison,
  path: Steps,
  old: Value | undefined,
  wanted: Value | undefined,
  oldInput: Value | undefined,
): void {
  if (old === undefined && wanted === undefined) return;
  if (wanted === undefined) record(comparison, path, "delete", undefined);
  else if (old === undefined) {
    if (!isDroppedEmpty(wanted, oldInput)) record(comparison, path, "add", wanted);
  } else if (wanted instanceof Unknown) record(comparison, path, "update", wanted);
  else if (isMap(old) && isMap(wanted)) compareMaps(comparison, path, old, wanted, oldInput);
  else if (Array.isArray(old) && Array.isArray(wanted)) {
    for (let index = 0; index < Math.max(old.length, wanted.length); index += 1) {
      compare(comparison, [...path, index], old[index], wanted[index], at(oldInput, index));
    }
  } else if (!sameValue(old, wanted)) record(comparison, path, "update", wanted);
}

/** The API server leaves out some empty lists and objects; one that the program had before already is no change. */
function isDroppedEmpty(wanted: Value, oldInput: Value | undefined): boolean {
  const empty = Array.isArray(wanted) ? wanted.length === 0 : isMap(wanted) && Object.keys(wanted).length === 0;
  return empty && sameValue(wanted, oldInput);
}

function record(
  { fields, detailed, ignore }: Comparison,
  path: Steps,
  kind: "add" | "delete" | "update",
  value: Value | undefined,
): void {
  const text = diffPath(path);
  if (ignore.some((ignored) => text === ignored || text.startsWith(`${ignored}.`) || text.startsWith(`${ignored}[`)))
    return;
  const replacing = isReplacing(fields, path, value) || (kind === "delete" && text === "metadata");
  detailed[text] = { kind: replacing ? `${kind}-replace` : kind, inputDiff: kind === "delete" };
}
