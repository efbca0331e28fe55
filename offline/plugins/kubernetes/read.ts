/** Read: refresh, import and get. */
import { InitFailedError } from "../rpc/errors";
import type { ReadRequest, ReadResult } from "../rpc/requests";
import type { Context } from "../rpc/service";
import type { ValueMap } from "../rpc/values";
import { skipsAwait } from "./annotations";
import { readObject } from "./apply";
import { awaiterOf } from "./await";
import { verdictNow } from "./await/wait";
import { checkpoint, keepSecrets, parseCheckpoint, toObject } from "./checkpoint";
import type { Cluster } from "./cluster";
import { unreachableFailure } from "./failures";
import { fieldManager } from "./names";
import { normalize } from "./normalize";
import { apiVersionOf, at, gvkOfType, mapAt, parseId, textAt, withMetadata } from "./objects";
import { prune } from "./prune";

/**
 * The live object and the inputs that lead to it; nothing when it is gone. One that is not ready comes with the
 * reasons.
 */
export async function read(cluster: Cluster, request: ReadRequest, { log, signal }: Context): Promise<ReadResult> {
  const unreachable = await cluster.unreachable();
  if (unreachable !== undefined) {
    if (cluster.config.deleteUnreachable) {
      log.warn(
        `configured Kubernetes cluster is unreachable: ${unreachable}; deleteUnreachable is set, so the resource is removed from the state`,
      );
      return {};
    }
    if (cluster.config.skipUpdateUnreachable)
      return { id: request.id, properties: request.properties, inputs: request.inputs };
    throw unreachableFailure(unreachable);
  }
  const old = parseCheckpoint(request.properties);
  const known = normalize(toObject(request.inputs));
  const imported = textAt(known, "kind") === "" || textAt(known, "apiVersion") === "";
  const shape = imported ? address(request, old.live) : known;
  const { name } = parseId(request.id);
  const live = await readObject(cluster, shape, name, signal);
  if (!live) return {};

  const liveInputs = imported ? importedInputs(live) : prune(live, known);
  const properties = checkpoint({
    live,
    inputs: liveInputs,
    secretsOf: imported ? request.properties : request.inputs,
    initialApiVersion: old.initialApiVersion ?? textAt(shape, "apiVersion"),
    fieldManager: fieldManager(known, request.properties),
  });
  const inputs = keepSecrets(liveInputs, request.inputs);
  const reasons = imported ? [] : await unreadyReasons(cluster, live, known);
  if (reasons.length > 0)
    throw new InitFailedError(reasons.join("; "), { id: request.id, properties, inputs, reasons });
  return { id: request.id, properties, inputs };
}

/** Enough of an object to find it when no inputs are known. */
function address(request: ReadRequest, live: ValueMap): ValueMap {
  const gvk = gvkOfType(request.type);
  const { namespace, name } = parseId(request.id);
  return {
    apiVersion: textAt(live, "apiVersion") || apiVersionOf(gvk),
    kind: gvk.kind,
    metadata: { name, ...(namespace === "" ? {} : { namespace }) },
  };
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * What a program would have declared to get this object: what kubectl applied, else everything but what the cluster
 * sets.
 */
function importedInputs(live: ValueMap): ValueMap {
  const applied = textAt(live, "metadata", "annotations", LAST_APPLIED);
  if (applied !== "") return prune(live, normalize(JSON.parse(applied) as ValueMap));
  const declared = normalize({ ...live, status: undefined });
  const annotations = { ...mapAt(declared, "metadata", "annotations") };
  delete annotations["deployment.kubernetes.io/revision"];
  return at(declared, "metadata", "annotations") === undefined
    ? declared
    : withMetadata(declared, "annotations", Object.keys(annotations).length > 0 ? annotations : undefined);
}

async function unreadyReasons(cluster: Cluster, live: ValueMap, inputs: ValueMap): Promise<string[]> {
  const awaiter = awaiterOf(live);
  if (!awaiter || skipsAwait(inputs)) return [];
  const { client, discovery } = await cluster.use();
  const verdict = await verdictNow({ client, discovery, object: live, awaiter });
  return verdict.state === "ready" ? [] : [verdict.message, ...verdict.details];
}
