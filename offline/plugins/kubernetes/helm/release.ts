/** Create, update and delete of a release, by Helm's CLI. */
import type { HelmRecord } from "../../../../infra/support/helm-record";
import { InitFailedError } from "../../rpc/errors";
import type { CreateRequest, CreateResult, DeleteRequest, UpdateRequest, UpdateResult } from "../../rpc/requests";
import type { Context } from "../../rpc/service";
import { unwrapMap, type ValueMap } from "../../rpc/values";
import type { Cluster } from "../cluster";
import { unreachableFailure } from "../failures";
import { parseId, textAt } from "../objects";
import { chartSource, lint, localChart } from "./chart";
import type { Helm } from "./cli";
import { settleCutOff, type Subject } from "./cut-off";
import { flagsOf } from "./flags";
import { ownerLabel, secretTexts, timeoutOf, valuesOf } from "./inputs";
import { recordsOf } from "./records";
import { liveInputs, outputsOf, previewOf, storedInputs } from "./state";
import { withWarnings } from "./warnings";

/** What every operation works with. */
export interface Tools {
  cluster: Cluster;
  helm: Helm;
}

/** Installs a chart and waits until what it made is ready, if the program does not say otherwise. */
export async function createRelease(tools: Tools, request: CreateRequest, context: Context): Promise<CreateResult> {
  if (request.preview) return { id: "", properties: previewOf(request.properties) };
  const { name, namespace } = placeOf(request.properties);
  const before = await settled(tools, request, request.properties, context);
  const replaceable =
    before.every(({ status }) => status === "uninstalled") && unwrapMap(request.properties).replace === true;
  if (before.length > 0 && !replaceable) throw new Error(taken(before.at(-1)!));
  const { failure, warnings, live } = await operate(
    tools,
    { ...request, inputs: request.properties, verb: "install" },
    context,
  );
  const id = `${namespace}/${name}`;
  if (!failure) return { id, properties: outputsOf(request.properties, live!) };
  const message = `the release ${id} could not be installed: ${failure.message}`;
  // An atomic installation took everything away again; of any other there is a release that failed.
  if (!live) throw new Error([message, ...warnings].join("\n"));
  throw new InitFailedError(message, {
    id,
    reasons: [message, ...warnings],
    properties: outputsOf(request.properties, live),
  });
}

/** Upgrades a release to new inputs; one that is gone is installed. */
export async function updateRelease(tools: Tools, request: UpdateRequest, context: Context): Promise<UpdateResult> {
  if (request.preview) return { properties: previewOf(request.news) };
  await settled(tools, request, request.news, context);
  const { failure, warnings, live } = await operate(
    tools,
    { ...request, inputs: request.news, verb: "upgrade" },
    context,
  );
  if (!failure) return { properties: outputsOf(request.news, live!) };
  const message = `the release ${request.id} could not be upgraded: ${failure.message}`;
  if (!live) throw new Error([message, ...warnings].join("\n"));
  // Rolled back, the release has the inputs of before; the next run must see that they are not the program's.
  const inputs = live.status === "deployed" ? liveInputs(storedInputs(request), {}, live) : request.news;
  throw new InitFailedError(message, {
    id: request.id,
    reasons: [message, ...warnings],
    inputs,
    properties: outputsOf(inputs, live),
  });
}

/** Uninstalls a release with its hooks and waits until its objects are gone; one that is gone already is fine. */
export async function deleteRelease(
  { cluster, helm }: Tools,
  request: DeleteRequest,
  { log, signal }: Context,
): Promise<void> {
  const unreachable = await cluster.unreachable();
  if (unreachable !== undefined) {
    if (!cluster.config.deleteUnreachable) throw unreachableFailure(unreachable);
    log.warn(
      `configured Kubernetes cluster is unreachable: ${unreachable}; deleteUnreachable is set, so the release is removed from the state`,
    );
    return;
  }
  const inputs = storedInputs({ olds: request.properties, oldInputs: request.oldInputs });
  const { namespace, name } = parseId(request.id);
  const left = async (): Promise<boolean> =>
    (await recordsOf(cluster, namespace, name)).some(({ status }) => status !== "uninstalled");
  if (!(await left())) return;
  const waits = inputs.atomic === true || inputs.skipAwait !== true;
  const args = [
    "uninstall",
    name,
    "--namespace",
    namespace,
    "--timeout",
    `${timeoutOf(request.timeout, inputs)}s`,
    ...(waits ? ["--wait"] : []),
    ...(inputs.disableWebhooks === true ? ["--no-hooks"] : []),
  ];
  log.status(`helm uninstall ${name}`);
  const result = await withWarnings(cluster, namespace, log.status, () => helm.remote({ args, signal }));
  if ("failure" in result) {
    if (!(await left())) return;
    throw new Error(
      [`the release ${request.id} could not be uninstalled: ${result.failure.message}`, ...result.warnings].join("\n"),
    );
  }
  const [, kept] = result.done.split(/^These resources were kept.*$/m);
  if (kept?.trim())
    log.warn(
      `helm uninstall left what the chart says to keep (helm.sh/resource-policy): ${kept.trim().replaceAll(/\s*\n\s*/g, ", ")}`,
    );
}

/** Name and namespace in the inputs. */
export function placeOf(inputs: ValueMap): { name: string; namespace: string } {
  const plain = unwrapMap(inputs);
  return { name: textAt(plain, "name"), namespace: textAt(plain, "namespace") };
}

/** The revisions that there are, once none of them is cut off. */
async function settled(
  { cluster, helm }: Tools,
  { urn, timeout }: { urn: string; timeout: number },
  inputs: ValueMap,
  { log, signal }: Context,
): Promise<HelmRecord[]> {
  const { name, namespace } = placeOf(inputs);
  const subject: Subject = {
    cluster,
    helm,
    records: await recordsOf(cluster, namespace, name, signal),
    owner: ownerLabel(urn),
    timeout: timeoutOf(timeout, unwrapMap(inputs)),
    signal,
    tell: log.warn,
  };
  return settleCutOff(subject);
}

interface Operation {
  urn: string;
  timeout: number;
  inputs: ValueMap;
  verb: "install" | "upgrade";
}

interface Outcome {
  failure?: Error;
  warnings: string[];
  live: HelmRecord | undefined;
}

/** Runs Helm, and looks what there is afterwards, whatever Helm said. */
async function operate(
  { cluster, helm }: Tools,
  { urn, timeout, inputs, verb }: Operation,
  { log, signal }: Context,
): Promise<Outcome> {
  const { name, namespace } = placeOf(inputs);
  const plain = unwrapMap(inputs);
  const secrets = secretTexts(inputs);
  const chart = await localChart(helm, chartSource(plain));
  const values = valuesOf(inputs);
  if (plain.lint === true) await lint(helm, chart, values, secrets);
  const owner = ownerLabel(urn);
  const args = [
    verb,
    name,
    chart.path,
    "--namespace",
    namespace,
    "--values",
    "-",
    "--labels",
    `${owner.key}=${owner.value}`,
    "--timeout",
    `${timeoutOf(timeout, plain)}s`,
    ...flagsOf(verb, plain, await helm.major()),
  ];
  log.status(`helm ${verb} ${name}`);
  const result = await withWarnings(cluster, namespace, log.status, () =>
    helm.remote({ args, input: JSON.stringify(values), secrets, signal }),
  );
  log.status("");
  const live = (await recordsOf(cluster, namespace, name, AbortSignal.timeout(LAST_LOOK_MS))).at(-1);
  if ("failure" in result) return { failure: result.failure, warnings: result.warnings, live };
  if (!live) return { failure: new Error(`helm ${verb} ended well, but there is no release`), warnings: [], live };
  return { warnings: [], live };
}

/** Milliseconds for reading the release once more after the work. */
const LAST_LOOK_MS = 10_000;

function taken({ name, namespace, revision, status }: HelmRecord): string {
  return [
    `a release ${namespace}/${name} exists already (revision ${revision}, ${status}) and this resource does not own it. Ways out:`,
    "  - the resource was renamed in the program: give it an alias for its old name;",
    `  - the release shall belong to this stack: \`pulumi import kubernetes:helm.sh/v3:Release NAME ${namespace}/${name}\`;`,
    `  - nobody needs it: \`helm uninstall ${name} -n ${namespace}\`.`,
  ].join("\n");
}
