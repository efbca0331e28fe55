/** `kubernetes:helm.sh/v3:Release`: check, diff and read here; what changes a release in release.ts. */
import { isCutOff } from "../../../../infra/support/helm-record";
import { InitFailedError } from "../../rpc/errors";
import type {
  CheckFailure,
  CheckRequest,
  CheckResult,
  DiffRequest,
  DiffResult,
  ReadRequest,
  ReadResult,
} from "../../rpc/requests";
import type { Context } from "../../rpc/service";
import { containsUnknown, unwrapMap, type ValueMap } from "../../rpc/values";
import { diffInputs } from "../diff";
import { unreachableFailure } from "../failures";
import { at, mapAt, parseId, sameValue, textAt } from "../objects";
import { chartSource, localChart, renderedNames } from "./chart";
import { completeInputs, refusals, RELEASE_TYPE, secretTexts, valuesOf } from "./inputs";
import { recordsOf } from "./records";
import { placeOf, type Tools } from "./release";
import { importedInputs, installedStatus, liveInputs, outputsOf, storedInputs } from "./state";

export { Helm } from "./cli";
export { createRelease, deleteRelease, updateRelease } from "./release";

/** Whether a type token is that of a release. */
export function isRelease(type: string): boolean {
  return type === RELEASE_TYPE;
}

/**
 * The inputs with defaults, the chart's checksum, and the names of what it renders to. A chart that does not render is
 * refused here.
 */
export async function checkRelease({ cluster, helm }: Tools, request: CheckRequest): Promise<CheckResult> {
  const inputs = completeInputs(request, cluster.defaultNamespace);
  const failures = refusals(inputs);
  if (failures.length > 0) return { inputs, failures };
  try {
    return { inputs: { ...inputs, ...(await computed({ cluster, helm }, inputs, unwrapMap(request.olds))) } };
  } catch (error) {
    const failure: CheckFailure = { property: "chart", reason: error instanceof Error ? error.message : String(error) };
    return { inputs, failures: [failure] };
  }
}

/** Compares the program's inputs with those of the last operation, or with what a refresh found instead. */
export function diffRelease(request: DiffRequest): DiffResult {
  const before = storedInputs(request);
  const news = unwrapMap(request.news);
  const result = diffInputs(before, news, ["name", "namespace"], request.ignoreChanges);
  // A replacement under the old name, as `replaceOnChanges` asks for, has to wait until the name is free.
  return {
    ...result,
    deleteBeforeReplace: sameValue(before.name, news.name) && sameValue(before.namespace, news.namespace),
  };
}

/** The release as it is: gone, changed by somebody, failed, or cut off. */
export async function readRelease(
  { cluster }: Pick<Tools, "cluster">,
  request: ReadRequest,
  { log, signal }: Context,
): Promise<ReadResult> {
  const unreachable = await cluster.unreachable();
  if (unreachable !== undefined) {
    if (!cluster.config.deleteUnreachable) throw unreachableFailure(unreachable);
    log.warn(
      `configured Kubernetes cluster is unreachable: ${unreachable}; deleteUnreachable is set, so the release is removed from the state`,
    );
    return {};
  }
  const { namespace, name } = parseId(request.id);
  const live = (await recordsOf(cluster, namespace, name, signal)).at(-1);
  if (!live || live.status === "uninstalled") return {};
  const imported = Object.keys(request.inputs).length === 0;
  const inputs = imported
    ? importedInputs(live)
    : liveInputs(request.inputs, installedStatus(request.properties), live);
  const properties = outputsOf(inputs, live);
  if (live.status === "deployed") return { id: request.id, properties, inputs };
  const said = live.description === "" ? "" : `: ${live.description}`;
  const reason = `revision ${live.revision} of the release ${request.id} is ${live.status}${said}${isCutOff(live) ? "; an operation on it is under way or was cut off" : ""}`;
  throw new InitFailedError(reason, { id: request.id, properties, inputs, reasons: [reason] });
}

/** What follows from the inputs; as much of it as is known. */
async function computed({ helm }: Tools, inputs: ValueMap, olds: ValueMap): Promise<ValueMap> {
  const plain = unwrapMap(inputs);
  const chartInputs = ["chart", "version", "devel", "repositoryOpts", "dependencyUpdate"].map(
    (key) => at(plain, key) ?? null,
  );
  const old = (key: string): ValueMap => (olds[key] === undefined ? {} : { [key]: olds[key] });
  if (containsUnknown(chartInputs)) return { ...old("checksum"), ...old("resourceNames") };
  const chart = await localChart(helm, chartSource(plain));
  if (containsUnknown(plain)) return { checksum: chart.checksum, ...old("resourceNames") };
  const { name, namespace } = placeOf(inputs);
  const resourceNames = await renderedNames(helm, chart, {
    name,
    namespace,
    values: valuesOf(inputs),
    skipCrds: plain.skipCrds === true,
    hooks: plain.disableWebhooks !== true,
    postrender: textAt(plain, "postrender"),
    secrets: secretTexts(inputs),
  });
  return { checksum: chart.checksum, resourceNames: mapAt({ resourceNames }, "resourceNames") };
}
