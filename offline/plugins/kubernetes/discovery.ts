/** Which URL path belongs to which kind, asked of the API server. */
import type { ValueMap } from "../rpc/values";
import { ApiError, UnknownKindError } from "./api-error";
import type { ApiClient } from "./client";
import { apiVersionOf, at, gvkOf, listAt, textAt, type Gvk } from "./objects";

/** Where the objects of a kind live. */
export interface Resource {
  /** e.g. `/api/v1` or `/apis/apps/v1`. */
  prefix: string;
  /** Plural name in the URL, e.g. `pods`. */
  plural: string;
  namespaced: boolean;
}

/** Kinds without a namespace, for when no server can be asked. */
const CLUSTER_WIDE = new Set([
  "Namespace",
  "Node",
  "PersistentVolume",
  "ClusterRole",
  "ClusterRoleBinding",
  "StorageClass",
  "PriorityClass",
  "RuntimeClass",
  "CustomResourceDefinition",
  "APIService",
  "IngressClass",
  "CSIDriver",
  "CSINode",
  "VolumeAttachment",
  "ValidatingWebhookConfiguration",
  "MutatingWebhookConfiguration",
  "ValidatingAdmissionPolicy",
  "ValidatingAdmissionPolicyBinding",
  "FlowSchema",
  "PriorityLevelConfiguration",
  "CertificateSigningRequest",
]);

/** Whether a kind lives in a namespace as far as can be told without a server. */
export function probablyNamespaced(kind: string): boolean {
  return !CLUSTER_WIDE.has(kind);
}

/** The kinds of one API server. What was found is kept; a kind that is not known is asked for again every time. */
export class Discovery {
  private readonly lists = new Map<string, Promise<ValueMap>>();

  constructor(private readonly client: ApiClient) {}

  /**
   * The resource of a kind.
   * @throws UnknownKindError when the server has none, UnreachableError when there is no server.
   */
  async find(gvk: Gvk): Promise<Resource> {
    const apiVersion = apiVersionOf(gvk);
    const prefix = gvk.group === "" ? `/api/${gvk.version}` : `/apis/${apiVersion}`;
    const known = this.lists.get(prefix);
    const found = known && entryOf(await known, gvk.kind, prefix);
    if (found) return found;
    const list = this.client.request({ path: prefix });
    this.lists.set(prefix, list);
    list.catch(() => this.lists.delete(prefix));
    try {
      const entry = entryOf(await list, gvk.kind, prefix);
      if (entry) return entry;
    } catch (error) {
      if (!(error instanceof ApiError && error.notFound)) throw error;
    }
    throw new UnknownKindError(apiVersion, gvk.kind);
  }

  /** Path of the collection in which an object lives; a namespaced object without namespace lives in `default`. */
  async collection(object: ValueMap): Promise<string> {
    return this.collectionOf(gvkOf(object), textAt(object, "metadata", "namespace"));
  }

  /** Path of the collection of a kind in a namespace. */
  async collectionOf(gvk: Gvk, namespace: string): Promise<string> {
    const { prefix, plural, namespaced } = await this.find(gvk);
    return namespaced
      ? `${prefix}/namespaces/${encodeURIComponent(namespace || "default")}/${plural}`
      : `${prefix}/${plural}`;
  }
}

function entryOf(list: ValueMap, kind: string, prefix: string): Resource | undefined {
  const entry = listAt(list, "resources").find(
    (resource) => textAt(resource, "kind") === kind && !textAt(resource, "name").includes("/"),
  );
  return entry === undefined
    ? undefined
    : { prefix, plural: textAt(entry, "name"), namespaced: at(entry, "namespaced") === true };
}
