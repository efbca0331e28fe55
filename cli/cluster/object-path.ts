import type { ClusterAccess } from "./access";

/** What of an object tells where it stands. */
export interface ObjectAddress {
  apiVersion: string;
  kind: string;
  metadata?: { name?: string; namespace?: string };
}

/**
 * The path of an object in the API; nothing where its kind or name is not known.
 * @param namespace of an object that names none, where its kind lives in one
 */
export async function objectPath(
  get: ClusterAccess["get"],
  { apiVersion, kind, metadata }: ObjectAddress,
  namespace = "default",
): Promise<string | undefined> {
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const known = await get<{ resources: { name: string; kind: string; namespaced: boolean }[] }>(group);
  const resource = known?.resources.find((entry) => entry.kind === kind && !entry.name.includes("/"));
  if (!resource || !metadata?.name) return undefined;
  return `${group}${resource.namespaced ? `/namespaces/${metadata.namespace ?? namespace}` : ""}/${resource.name}/${metadata.name}`;
}
