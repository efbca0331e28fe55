/** A collection kept up to date by list and watch. */
import { setTimeout as delay } from "node:timers/promises";
import { isMap, type ValueMap } from "../rpc/values";
import { ApiError, UnreachableError } from "./api-error";
import type { ApiClient } from "./client";
import { listAt, textAt } from "./objects";

/** Milliseconds between attempts to reach a server that stopped answering. */
const RECONNECT_MS = 500;

/** What is followed. */
export interface FollowOptions {
  client: ApiClient;
  /** Path of the collection. */
  path: string;
  fieldSelector?: string;
  labelSelector?: string;
  signal: AbortSignal;
  /** Called with all objects after the first list and after every change. */
  onChange(objects: ValueMap[]): void;
}

/**
 * Follows a collection until the signal fires. A watch that ends or has become too old starts over with a list; a
 * server that does not answer is tried again, because it may be restarting: the caller's deadline ends that.
 * @throws ApiError when the server refuses.
 */
export async function follow({
  client,
  path,
  fieldSelector,
  labelSelector,
  signal,
  onChange,
}: FollowOptions): Promise<void> {
  const query = { fieldSelector, labelSelector };
  while (!signal.aborted) {
    try {
      const list = await client.request({ path, query, signal });
      // The items of a list do not say what they are; the list does.
      const what = { apiVersion: list.apiVersion, kind: textAt(list, "kind").replace(/List$/, "") };
      const objects = new Map<string, ValueMap>(
        listAt(list, "items")
          .filter(isMap)
          .map((item) => [keyOf(item), { ...what, ...item }]),
      );
      onChange([...objects.values()]);
      const resourceVersion = textAt(list, "metadata", "resourceVersion");
      for await (const { type, object } of client.watch({ path, query: { ...query, resourceVersion }, signal })) {
        if (type === "BOOKMARK") continue;
        if (type === "DELETED") objects.delete(keyOf(object));
        else objects.set(keyOf(object), object);
        onChange([...objects.values()]);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.code === 410) continue;
      if (!isTransient(error)) throw error;
      await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

function keyOf(object: ValueMap): string {
  return `${textAt(object, "metadata", "namespace")}/${textAt(object, "metadata", "name")}`;
}

/** A lost connection, or a server that is only starting or stopping. */
function isTransient(error: unknown): boolean {
  if (error instanceof ApiError) return error.code === 429 || error.code >= 500;
  return error instanceof UnreachableError || (error instanceof Error && "code" in error);
}
