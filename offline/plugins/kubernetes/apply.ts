/** Writing objects: create, server-side apply, and the tries of a preview. */
import pRetry, { AbortError } from "p-retry";
import type { ValueMap } from "../rpc/values";
import { forcesPatch } from "./annotations";
import { ApiError, UnknownKindError } from "./api-error";
import type { Cluster } from "./cluster";
import { applyFailure } from "./failures";
import { needsTakeOver, ownedByOthersOnly, takeOver } from "./managed-fields";
import { at, gvkOf, nameOf, textAt } from "./objects";

const APPLY = "application/apply-patch+yaml";

/** How an object is written. */
export interface WriteOptions {
  object: ValueMap;
  fieldManager: string;
  /** Let the server check and answer, but store nothing. */
  dryRun: boolean;
  /** Ends waiting for a next attempt. A write that is under way is never cut off: nobody would know what it made. */
  signal: AbortSignal;
  /** Told what the server finds odd in the object, e.g. a field that it does not know. */
  onWarning(message: string): void;
}

/**
 * Creates an object. Its namespace, that namespace's service account or its kind may only just be coming: that is
 * waited for a little, not in a preview.
 * @throws ApiError as the server answered, UnknownKindError.
 */
export async function createObject(
  cluster: Cluster,
  options: WriteOptions,
  onRetry: (message: string) => void,
): Promise<ValueMap> {
  const { object, dryRun, signal, onWarning } = options;
  const attempt = async (): Promise<ValueMap> => {
    const { client, discovery } = await cluster.use();
    if (cluster.config.upsertExistingObjects || forcesPatch(object)) return applyObject(cluster, options, undefined);
    return client.request({
      method: "POST",
      path: await discovery.collection(object),
      query: { dryRun: dryRun ? "All" : undefined, fieldValidation: "Warn" },
      body: object,
      onWarning,
    });
  };
  signal.throwIfAborted();
  if (dryRun) return attempt();
  let underWay: Promise<ValueMap> | undefined;
  try {
    return await pRetry(
      () => {
        underWay = attempt();
        return underWay.catch((error: unknown) => {
          const mayCome =
            error instanceof UnknownKindError ||
            (error instanceof ApiError && (error.notFound || error.serviceAccountMissing));
          throw mayCome || !(error instanceof Error) ? error : new AbortError(error);
        });
      },
      {
        retries: 5,
        factor: 2.5,
        minTimeout: 250,
        signal,
        onFailedAttempt: (error) => {
          onRetry(`creation failed, trying again: ${error.message}`);
        },
      },
    );
  } catch (error) {
    // A request that is sent when the cancellation comes still creates the object: without its answer nothing would
    // know of it.
    const created = signal.aborted ? await underWay?.catch(() => undefined) : undefined;
    if (created === undefined) throw error;
    return created;
  }
}

/**
 * Applies an object. With `live` it is an update: paths in `ignoreChanges` keep their live values.
 * @throws ApiError; a conflict names the other manager.
 */
export async function applyObject(
  cluster: Cluster,
  { object, fieldManager, dryRun, onWarning }: WriteOptions,
  live: ValueMap | undefined,
): Promise<ValueMap> {
  const { client } = await cluster.use();
  // A preview cannot take over what the plugin's own create left behind, so it would conflict with itself.
  const force =
    forcesPatch(object) ||
    process.env.PULUMI_K8S_ENABLE_PATCH_FORCE === "true" ||
    (dryRun && live !== undefined && needsTakeOver(live));
  try {
    return await client.request({
      method: "PATCH",
      path: await cluster.pathOf(object),
      contentType: APPLY,
      body: object,
      onWarning,
      query: { fieldManager, force, dryRun: dryRun ? "All" : undefined, fieldValidation: "Warn" },
    });
  } catch (error) {
    throw applyFailure(error, fieldManager);
  }
}

/**
 * Brings an existing object to its new inputs.
 * @throws ApiError, also when the object is gone (404).
 */
export async function updateObject(
  cluster: Cluster,
  options: WriteOptions & { ignoreChanges: readonly string[] },
): Promise<ValueMap> {
  const { client } = await cluster.use();
  const { object, fieldManager, dryRun, signal, ignoreChanges, onWarning } = options;
  signal.throwIfAborted();
  const path = await cluster.pathOf(object);
  const live = await client.request({ path, signal });
  const { group, kind } = gvkOf(object);
  if (group === "apiextensions.k8s.io" && kind === "CustomResourceDefinition") {
    const body = {
      ...object,
      metadata: { ...(object.metadata as ValueMap), resourceVersion: textAt(live, "metadata", "resourceVersion") },
    };
    return client.request({
      method: "PUT",
      path,
      body,
      onWarning,
      query: { fieldManager, dryRun: dryRun ? "All" : undefined },
    });
  }
  const owners = dryRun ? undefined : takeOver(live, fieldManager);
  const current = owners
    ? await client.request({
        method: "PATCH",
        path,
        contentType: "application/json-patch+json",
        body: [
          { op: "replace", path: "/metadata/managedFields", value: owners },
          { op: "replace", path: "/metadata/resourceVersion", value: textAt(live, "metadata", "resourceVersion") },
        ],
      })
    : live;
  const body = ignoreChanges.reduce((rest, ignored) => withoutChange(rest, current, fieldManager, ignored), object);
  return applyObject(cluster, { ...options, object: body }, current);
}

/** The live object, or `undefined` when there is none. Other errors as of the client. */
export async function readObject(
  cluster: Cluster,
  object: ValueMap,
  name: string,
  signal: AbortSignal,
): Promise<ValueMap | undefined> {
  const { client } = await cluster.use();
  try {
    return await client.request({ path: await cluster.pathOf(object, name), signal });
  } catch (error) {
    if (error instanceof UnknownKindError || (error instanceof ApiError && error.notFound)) return undefined;
    throw error;
  }
}

/** A field that others own is left to them; one that is ours is sent as it is. */
function withoutChange(object: ValueMap, live: ValueMap, manager: string, ignored: string): ValueMap {
  const path = ignored.split(".");
  if (ignored.includes("[") || nameOf(live) === "") return object;
  return withValue(
    object,
    path,
    ownedByOthersOnly(live, manager, path) ? undefined : (at(live, ...path) ?? at(object, ...path)),
  );
}

function withValue(object: ValueMap, [key = "", ...rest]: readonly string[], value: ValueMap[string]): ValueMap {
  const inner = object[key];
  if (rest.length === 0) return { ...object, [key]: value };
  return typeof inner === "object" && inner !== null
    ? { ...object, [key]: withValue(inner as ValueMap, rest, value) }
    : object;
}
