/** Delete, and the wait until the object is gone. */
import { InitFailedError } from "../rpc/errors";
import type { DeleteRequest } from "../rpc/requests";
import type { Context } from "../rpc/service";
import type { ValueMap } from "../rpc/values";
import { propagationPolicy, timeoutMs } from "./annotations";
import { ApiError, UnknownKindError } from "./api-error";
import { checkpoint, parseCheckpoint } from "./checkpoint";
import type { ApiClient } from "./client";
import type { Cluster } from "./cluster";
import { unreachableFailure } from "./failures";
import { follow } from "./follow";
import { idOf, kindOf, listAt, nameOf, parseId, textAt } from "./objects";

const DEFAULT_TIMEOUT_MS = 600_000;

/** Deletes an object and waits until it is gone; one that is gone already is fine. */
export async function remove(cluster: Cluster, request: DeleteRequest, { log, signal }: Context): Promise<void> {
  const unreachable = await cluster.unreachable();
  if (unreachable !== undefined) {
    if (!cluster.config.deleteUnreachable) throw unreachableFailure(unreachable);
    log.warn(
      `configured Kubernetes cluster is unreachable: ${unreachable}; deleteUnreachable is set, so the resource is removed from the state`,
    );
    return;
  }
  const { inputs, live, initialApiVersion, fieldManager } = parseCheckpoint(request.properties);
  const { name } = parseId(request.id);
  const { client, discovery } = await cluster.use();
  signal.throwIfAborted();
  try {
    const path = await discovery.collection(live);
    const deleted = await client.request({
      method: "DELETE",
      path: `${path}/${encodeURIComponent(name)}`,
      body: { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: propagationPolicy(inputs) },
    });
    log.status("Resource scheduled for deletion");
    // Of what was deleted, not of what the state knows: somebody may have made the object anew. The answer is the
    // object, or tells of it.
    const uid = textAt(deleted, "metadata", "uid") || textAt(deleted, "details", "uid");
    const left = await untilGone({
      client,
      path,
      name,
      uid,
      timeout: timeoutMs(request.timeout, inputs, DEFAULT_TIMEOUT_MS),
      signal,
    });
    if (!left) return;
    const reasons = stuckReasons(left.object, left.cancelled);
    throw new InitFailedError(reasons.join("\n"), {
      id: request.id,
      reasons,
      properties: checkpoint({
        live: left.object,
        inputs,
        secretsOf: request.properties,
        initialApiVersion: initialApiVersion ?? textAt(live, "apiVersion"),
        fieldManager: fieldManager ?? "",
      }),
    });
  } catch (error) {
    // The object was deleted by somebody else, or its kind was.
    if (error instanceof UnknownKindError || (error instanceof ApiError && error.notFound)) return;
    throw error;
  }
}

interface GoneOptions {
  client: ApiClient;
  path: string;
  name: string;
  uid: string;
  timeout: number;
  signal: AbortSignal;
}

/** Nothing when the object is gone (or another has its name), else what is left of it at the deadline. */
function untilGone({
  client,
  path,
  name,
  uid,
  timeout,
  signal,
}: GoneOptions): Promise<{ object: ValueMap; cancelled: boolean } | undefined> {
  const stop = new AbortController();
  return new Promise<{ object: ValueMap; cancelled: boolean } | undefined>((resolve, reject) => {
    let last: ValueMap = { metadata: { name } };
    const deadline = setTimeout(() => {
      resolve({ object: last, cancelled: false });
    }, timeout);
    stop.signal.addEventListener("abort", () => {
      clearTimeout(deadline);
    });
    const cancelled = (): void => {
      resolve({ object: last, cancelled: true });
    };
    if (signal.aborted) cancelled();
    signal.addEventListener("abort", cancelled, { signal: stop.signal });
    follow({
      client,
      path,
      fieldSelector: `metadata.name=${name}`,
      signal: stop.signal,
      onChange: ([object]) => {
        if (!object || (uid !== "" && textAt(object, "metadata", "uid") !== uid)) resolve(undefined);
        else last = object;
      },
    }).catch(reject);
  }).finally(() => {
    stop.abort();
  });
}

/** Why an object is still there: finalizers, and for a namespace what its controller says. */
function stuckReasons(object: ValueMap, cancelled: boolean): string[] {
  const finalizers = [...listAt(object, "metadata", "finalizers"), ...listAt(object, "spec", "finalizers")].map(String);
  const kept = finalizers.length > 0 ? `; it is kept by the finalizers ${finalizers.join(", ")}` : "";
  const conditions = kindOf(object) === "Namespace" ? listAt(object, "status", "conditions") : [];
  return [
    `${cancelled ? "cancelled" : "timed out"} waiting for ${kindOf(object)} "${idOf(object) || nameOf(object)}" to be deleted${kept}`,
    ...conditions
      .filter((condition) => textAt(condition, "status") === "True")
      .map((condition) => `[${textAt(condition, "reason")}] ${textAt(condition, "message")}`),
  ];
}
