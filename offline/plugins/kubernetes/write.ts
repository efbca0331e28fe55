/** Create and Update. */
import { InitFailedError } from "../rpc/errors";
import type { CreateRequest, CreateResult, UpdateRequest, UpdateResult } from "../rpc/requests";
import type { Context } from "../rpc/service";
import { containsUnknown, type ValueMap } from "../rpc/values";
import { skipsAwait, timeoutMs } from "./annotations";
import { ApiError } from "./api-error";
import { createObject, readObject, updateObject } from "./apply";
import { awaiterOf } from "./await";
import { waitUntilReady } from "./await/wait";
import { checkpoint, parseCheckpoint, toObject } from "./checkpoint";
import type { Cluster } from "./cluster";
import { createFailure, detailsOf, messageOf } from "./failures";
import { fieldManager } from "./names";
import { normalize } from "./normalize";
import { idOf, nameOf, textAt } from "./objects";

/** Makes an object and waits until it is ready. A preview lets the server try it, where it can. */
export async function create(
  cluster: Cluster,
  request: CreateRequest,
  { log, signal }: Context,
): Promise<CreateResult> {
  const inputs = toObject(request.properties);
  if (request.preview && !(await canPreview(cluster, inputs))) return { id: "", properties: request.properties };
  const manager = fieldManager(inputs);
  const parts = {
    inputs,
    secretsOf: request.properties,
    initialApiVersion: textAt(inputs, "apiVersion"),
    fieldManager: manager,
  };

  let live: ValueMap;
  try {
    live = await createObject(
      cluster,
      { object: inputs, fieldManager: manager, dryRun: request.preview, signal, onWarning: log.warn },
      log.status,
    );
  } catch (error) {
    if (request.preview && cannotBeTried(error)) return { id: "", properties: request.properties };
    throw createFailure(request.urn, error);
  }
  // The status of a trial is empty; a program that reads it must get "not known yet".
  if (request.preview) return { id: "", properties: checkpoint({ ...parts, live: { ...live, status: undefined } }) };

  const failure = await settle(cluster, live, { inputs, timeout: request.timeout, log, signal });
  live =
    (await readObject(cluster, live, nameOf(live), AbortSignal.timeout(LAST_LOOK_MS)).catch(() => undefined)) ?? live;
  const properties = checkpoint({ ...parts, live });
  if (failure === undefined) return { id: idOf(live), properties };
  throw initFailed(
    `resource "${request.urn}" was successfully created, but the Kubernetes API server reported that it failed to fully initialize or become live`,
    failure,
    idOf(live),
    properties,
  );
}

/** Applies the new inputs and waits until the object is ready again. */
export async function update(
  cluster: Cluster,
  request: UpdateRequest,
  { log, signal }: Context,
): Promise<UpdateResult> {
  const inputs = toObject(request.news);
  if (request.preview && !(await canPreview(cluster, inputs))) return { properties: request.news };
  const old = parseCheckpoint(request.olds);
  const manager = fieldManager(inputs, request.olds);
  const parts = {
    inputs: normalize(inputs),
    secretsOf: request.news,
    initialApiVersion: old.initialApiVersion ?? textAt(inputs, "apiVersion"),
    fieldManager: manager,
  };

  let live: ValueMap | undefined;
  let failure: unknown;
  try {
    live = await updateObject(cluster, {
      object: normalize(inputs),
      fieldManager: manager,
      dryRun: request.preview,
      signal,
      ignoreChanges: request.ignoreChanges,
      onWarning: log.warn,
    });
    if (!request.preview) failure = await settle(cluster, live, { inputs, timeout: request.timeout, log, signal });
  } catch (error) {
    if (request.preview && error instanceof ApiError && (error.forbidden || error.dryRunRefused))
      return { properties: request.news };
    failure = error;
  }
  if (failure !== undefined || !request.preview) live = await lastLook(cluster, request, live ?? old.live, failure);
  if (!live)
    throw new Error(
      `update of resource "${request.urn}" failed: ${messageOf(failure)}; the object is not in the cluster, run \`pulumi refresh\``,
    );
  const properties = checkpoint({ ...parts, live });
  if (failure === undefined) return { properties };
  throw initFailed(
    `the Kubernetes API server reported that "${idOf(live)}" failed to fully initialize or become live`,
    failure,
    idOf(live),
    properties,
  );
}

/** Milliseconds for reading the object once more after the work. */
const LAST_LOOK_MS = 10_000;

async function lastLook(
  cluster: Cluster,
  request: UpdateRequest,
  known: ValueMap,
  failure: unknown,
): Promise<ValueMap | undefined> {
  try {
    return await readObject(cluster, known, nameOf(known), AbortSignal.timeout(LAST_LOOK_MS));
  } catch (error) {
    throw new Error(
      `update of resource "${request.urn}" failed: ${messageOf(failure ?? error)}; its state in the cluster cannot be read: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function canPreview(cluster: Cluster, inputs: ValueMap): Promise<boolean> {
  return !containsUnknown(inputs) && cluster.knows(inputs);
}

/** A namespace that is still to come, an object that is still to be replaced, a user who may not try. */
function cannotBeTried(error: unknown): boolean {
  return (
    error instanceof ApiError &&
    (error.namespaceMissing || error.alreadyExists || error.forbidden || error.dryRunRefused)
  );
}

interface SettleOptions extends Pick<Context, "log" | "signal"> {
  inputs: ValueMap;
  timeout: number;
}

/** Waits for readiness; gives the error instead of throwing it, because the object exists all the same. */
async function settle(
  cluster: Cluster,
  live: ValueMap,
  { inputs, timeout, log, signal }: SettleOptions,
): Promise<unknown> {
  const awaiter = awaiterOf(live);
  if (!awaiter) return undefined;
  if (skipsAwait(inputs)) {
    log.status("Skipping await logic");
    return undefined;
  }
  try {
    const { client, discovery } = await cluster.use();
    await waitUntilReady({
      client,
      discovery,
      object: live,
      awaiter,
      timeoutMs: timeoutMs(timeout, inputs, awaiter.timeoutMs),
      signal,
      onStatus: log.status,
    });
    log.status("");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function initFailed(text: string, failure: unknown, id: string, properties: ValueMap): InitFailedError {
  const message = `${text}: ${messageOf(failure)}`;
  return new InitFailedError(message, { id, properties, reasons: [message, ...detailsOf(failure)] });
}
