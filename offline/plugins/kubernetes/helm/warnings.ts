/** What the cluster complains about while Helm works: Helm itself only says that its time is over. */
import { isMap, type ValueMap } from "../../rpc/values";
import type { Cluster } from "../cluster";
import { follow } from "../follow";
import { numberAt, textAt } from "../objects";

/** Lines of an error that are left of the complaints: the newest ones. */
const SHOWN = 8;

/**
 * Does some work and, if it fails, gives the warnings that came up in a namespace meanwhile, newest last.
 * @param onWarning told each new one at once
 */
export async function withWarnings<T>(
  cluster: Cluster,
  namespace: string,
  onWarning: (line: string) => void,
  work: () => Promise<T>,
): Promise<{ done: T } | { failure: Error; warnings: string[] }> {
  const { client } = await cluster.use();
  const stop = new AbortController();
  const seen = new Map<string, string>();
  let first = true;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`;
  const following = follow({
    client,
    path,
    fieldSelector: "type=Warning",
    signal: stop.signal,
    onChange: (events) => {
      for (const event of events) {
        const key = `${textAt(event, "metadata", "uid")} ${numberAt(event, "count") ?? ""}`;
        if (seen.has(key)) continue;
        const line = first ? "" : lineOf(event);
        if (line !== "" && ![...seen.values()].includes(line)) onWarning(line);
        seen.set(key, line);
      }
      first = false;
    },
    // Without events there is still Helm's own word.
  }).catch(() => undefined);
  try {
    return { done: await work() };
  } catch (error) {
    const lines = [...new Set([...seen.values()].filter((line) => line !== ""))];
    return { failure: error instanceof Error ? error : new Error(String(error)), warnings: lines.slice(-SHOWN) };
  } finally {
    stop.abort();
    await following;
  }
}

function lineOf(event: ValueMap): string {
  const about = isMap(event.involvedObject) ? event.involvedObject : {};
  return `[${textAt(about, "kind")}/${textAt(about, "name")}][${textAt(event, "reason")}] ${textAt(event, "message")}`;
}
