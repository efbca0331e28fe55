/** What is stored of a release. */
import type { HelmRecord } from "../../../../infra/support/helm-record";
import { markSecretsLike } from "../../rpc/paths";
import { isMap, Secret, UNKNOWN, unwrapMap, type Value, type ValueMap } from "../../rpc/values";
import { mapAt, sameValue } from "../objects";
import { prune } from "../prune";
import { namesIn } from "./chart";
import { valuesOf } from "./inputs";
import { statusOf } from "./records";

/** Outputs of a release that is there. The inputs are kept as one secret, as the official plugin keeps them. */
export function outputsOf(inputs: ValueMap, record: HelmRecord): ValueMap {
  return {
    ...inputs,
    version: record.chart.version,
    resourceNames: namesIn(record.manifest),
    status: statusOf(record),
    __inputs: new Secret(unwrapMap(inputs)),
  };
}

/** Outputs as a preview can tell them. */
export function previewOf(inputs: ValueMap): ValueMap {
  return { ...inputs, status: UNKNOWN };
}

/** The inputs of the last operation, without markers. */
export function storedInputs({ olds, oldInputs }: { olds: ValueMap; oldInputs: ValueMap }): ValueMap {
  const { __inputs } = unwrapMap(olds);
  return isMap(__inputs) ? __inputs : unwrapMap(oldInputs);
}

/**
 * The inputs as they would have to be to give what is there: with other values, or another chart, where somebody
 * changed the release. What was not changed keeps its secrets' marks.
 * @param known inputs of the last operation
 * @param installed status of the last operation, as stored
 */
export function liveInputs(known: ValueMap, installed: ValueMap, record: HelmRecord): ValueMap {
  const plain = unwrapMap(known);
  const given = valuesOf(known);
  const found = record.values as ValueMap;
  // With reuseValues Helm adds the values of the release before, which the program does not know.
  const seen = plain.reuseValues === true ? prune(found, given) : found;
  const values: ValueMap = sameValue(without(given), without(seen)) ? {} : { values: seen };
  const sameChart =
    installed.chart === undefined ||
    (installed.chart === record.chart.name && installed.version === record.chart.version);
  const chart: ValueMap = sameChart
    ? {}
    : { checksum: "", ...(plain.version === undefined ? {} : { version: record.chart.version }) };
  return markSecretsLike({ ...plain, ...values, ...chart }, known);
}

/**
 * What a program would have to say to get a release that it did not make; Helm does not keep where a chart came from.
 */
export function importedInputs(record: HelmRecord): ValueMap {
  const { name, namespace, chart, values } = record;
  return {
    name,
    namespace,
    chart: chart.name,
    version: chart.version,
    timeout: 300,
    ...(Object.keys(values).length > 0 ? { values: values as ValueMap } : {}),
  };
}

/** The status in stored outputs. */
export function installedStatus(outputs: ValueMap): ValueMap {
  return mapAt(unwrapMap(outputs), "status");
}

/** Helm leaves out empty maps of its records in places, and so they say nothing. */
function without(values: ValueMap): ValueMap {
  const clean = (value: Value): Value => (isMap(value) ? without(value) : value);
  const entries = Object.entries(values).map(([key, value]) => [key, clean(value ?? null)] as const);
  return Object.fromEntries(
    entries.filter(([, value]) => value !== null && !(isMap(value) && Object.keys(value).length === 0)),
  );
}
