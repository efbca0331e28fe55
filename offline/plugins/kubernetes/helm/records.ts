/** The releases of a cluster, read from where Helm keeps them. */
import {
  decodeRecord,
  type HelmRecord,
  type RecordSecret,
  recordSelector,
} from "../../../../infra/support/helm-record";
import type { ValueMap } from "../../rpc/values";
import { ApiError } from "../api-error";
import type { Cluster } from "../cluster";
import { listAt } from "../objects";

/** All revisions of a release, oldest first; empty where there is none. */
export async function recordsOf(
  cluster: Cluster,
  namespace: string,
  name: string,
  signal?: AbortSignal,
): Promise<HelmRecord[]> {
  const { client } = await cluster.use();
  const list = await client.request({
    path: collection(namespace),
    query: { labelSelector: recordSelector(name) },
    ...(signal ? { signal } : {}),
  });
  const records = listAt(list, "items").map((secret) => decodeRecord(secret as unknown as RecordSecret));
  return records.sort((a, b) => a.revision - b.revision);
}

/** Forgets one revision; what it made stays. */
export async function forget(cluster: Cluster, { namespace, secret }: HelmRecord): Promise<void> {
  const { client } = await cluster.use();
  try {
    await client.request({ method: "DELETE", path: `${collection(namespace)}/${encodeURIComponent(secret)}` });
  } catch (error) {
    if (!(error instanceof ApiError && error.notFound)) throw error;
  }
}

/** Status, chart and revision as the program sees them. */
export function statusOf({ name, namespace, revision, status, chart }: HelmRecord): ValueMap {
  return { name, namespace, revision, status, chart: chart.name, version: chart.version, appVersion: chart.appVersion };
}

function collection(namespace: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`;
}
