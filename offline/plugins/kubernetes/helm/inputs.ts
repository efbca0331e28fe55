/** The inputs of a release: defaults, what is refused, and values put together. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { OWNER_LABEL } from "../../../../infra/support/helm-record";
import type { CheckFailure, CheckRequest } from "../../rpc/requests";
import {
  Asset,
  containsSecret,
  containsUnknown,
  isMap,
  mapEntries,
  Secret,
  unwrap,
  unwrapMap,
  type Value,
  type ValueMap,
} from "../../rpc/values";
import { markSecretsLike } from "../../rpc/paths";
import { suffix } from "../names";
import { at, mapAt, numberAt, textAt } from "../objects";

export const RELEASE_TYPE = "kubernetes:helm.sh/v3:Release";

/** Seconds that Helm waits, unless the program says otherwise. */
const DEFAULT_TIMEOUT = 300;

/** Inputs that this plugin does not have, with the reason; using one is refused by name instead of ignored. */
const REFUSED: Record<string, string> = {
  verify: "charts are not verified by signatures",
  keyring: "charts are not verified by signatures",
  disableCRDHooks: "Helm's CLI has no such option",
  manifest: "it is an output",
};

/** Inputs in the form in which they are stored: with a name, a namespace, a timeout, and all values in `values`. */
export function completeInputs(
  request: Pick<CheckRequest, "name" | "olds" | "news" | "randomSeed" | "autonaming">,
  defaultNamespace: string,
): ValueMap {
  const { valueYamlFiles, ...news } = present(request.news);
  // Said by every SDK: that it knows the newer of two shapes of the outputs.
  delete news.compat;
  const given = unwrap(news.name);
  const oldName = textAt(unwrapMap(request.olds), "name");
  const name =
    given === null || given === ""
      ? oldName || request.autonaming?.proposedName || `${request.name}-${suffix(request.randomSeed)}`
      : news.name;
  return {
    ...news,
    name,
    namespace: isEmpty(news.namespace) ? defaultNamespace : news.namespace,
    ...(unwrap(news.skipAwait) === true || news.timeout !== undefined ? {} : { timeout: DEFAULT_TIMEOUT }),
    ...valuesInput(valueYamlFiles, news),
  };
}

/** What of these inputs the plugin cannot do. */
export function refusals(inputs: ValueMap): CheckFailure[] {
  const used = Object.entries(REFUSED).filter(([name]) => !isEmpty(inputs[name]) && unwrap(inputs[name]) !== false);
  const failures = used.map(([property, why]) => ({
    property,
    reason: `"${property}" is not implemented by the registry-only plugin: ${why}`,
  }));
  if (isEmpty(inputs.chart)) failures.push({ property: "chart", reason: "a release needs a chart" });
  return failures;
}

/**
 * The values as Helm takes them, without markers; `null` means a chart's default is taken away, where the program
 * allows that.
 */
export function valuesOf(inputs: ValueMap): ValueMap {
  const plain = mapAt(unwrapMap(inputs), "values");
  return unwrap(inputs.allowNullValues) === true ? plain : (withoutNulls(plain) as ValueMap);
}

/** Texts of the inputs that are secret. */
export function secretTexts(value: Value | undefined, secret = false): string[] {
  if (value instanceof Secret) return secretTexts(value.value, true);
  if (typeof value === "string") return secret ? [value] : [];
  if (Array.isArray(value)) return value.flatMap((element) => secretTexts(element, secret));
  return isMap(value) ? Object.values(value).flatMap((element) => secretTexts(element, secret)) : [];
}

/** Seconds for one operation of Helm: `customTimeouts` of the program, else the input, else Helm's own. */
export function timeoutOf(requestSeconds: number, inputs: ValueMap): number {
  return requestSeconds > 0 ? requestSeconds : numberAt(inputs, "timeout") || DEFAULT_TIMEOUT;
}

/** A label's value by which a release's records are known to be one resource's. */
export function ownerLabel(urn: string): { key: string; value: string } {
  return { key: OWNER_LABEL, value: createHash("sha256").update(urn).digest("hex").slice(0, 40) };
}

function present(map: ValueMap): ValueMap {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined && value !== null));
}

function isEmpty(value: Value | undefined): boolean {
  const plain = unwrap(value);
  return plain === null || plain === "";
}

/** Files first, each over the one before, then the program's own values. What comes out of a secret file is secret. */
function valuesInput(files: Value | undefined, news: ValueMap): ValueMap {
  const list = unwrap(files);
  if (list === null || (Array.isArray(list) && list.length === 0)) return {};
  if (containsUnknown(list) || containsUnknown(news.values) || !Array.isArray(list)) return {};
  const values = merge(list.map(readValues).reduce(merge, {}), mapAt(unwrapMap(news), "values"));
  return containsSecret(files) ? { values: new Secret(values) } : markSecretsLike({ values }, { values: news.values });
}

function readValues(asset: Value): ValueMap {
  const fields = asset instanceof Asset ? asset.fields : {};
  const text = fields.text ?? (fields.path === undefined ? undefined : readFileSync(fields.path, "utf8"));
  if (text === undefined)
    throw new Error(
      "valueYamlFiles takes files and texts only; archives and addresses are not implemented by the registry-only plugin",
    );
  const values = parse(text) as Value | undefined;
  if (values === null || values === undefined) return {};
  if (!isMap(values)) throw new Error(`${fields.path ?? "a text of valueYamlFiles"} holds no mapping of values`);
  return values;
}

/** Maps are merged key by key; anything else of `over` takes the place of what was there. */
function merge(under: ValueMap, over: ValueMap): ValueMap {
  const merged = mapEntries(over, (value, key) => {
    const below = at(under, key);
    return isMap(value) && isMap(below) ? merge(below, value) : value;
  });
  return { ...under, ...merged };
}

function withoutNulls(value: Value): Value {
  if (Array.isArray(value)) return value.filter((element) => element !== null).map(withoutNulls);
  if (!isMap(value)) return value;
  return mapEntries(Object.fromEntries(Object.entries(value).filter(([, element]) => element !== null)), withoutNulls);
}
