import { LABELS, type Owner } from "../../infra/naming";
import { UserError } from "../../infra/support/errors";
import { waitFor } from "../../infra/support/wait";
import { type ClusterAccess, openCluster } from "./access";
import { removeOutsideOf } from "./helm-releases";

/** Milliseconds for the removal of a namespace with all that is in it. */
const GONE_WITHIN = 90_000;

/** A namespace that some stack, or some run of tests, made in a cluster. */
export interface OwnedNamespace {
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  created: string;
}

interface ApiNamespace {
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string>; creationTimestamp?: string };
  status?: { conditions?: { type: string; status: string; message?: string }[] };
}

/**
 * Namespaces that carry this project's label, of one owner or of any.
 * @throws Error when the cluster does not answer
 */
export async function namespacesIn(cluster: ClusterAccess, owner?: Owner): Promise<OwnedNamespace[]> {
  return namespacesWith(cluster, owner ? `${LABELS.owner}=${owner.id}` : LABELS.owner);
}

/** Namespaces of a selector. @throws Error when the cluster does not answer */
export async function namespacesWith(cluster: ClusterAccess, selector: string): Promise<OwnedNamespace[]> {
  const list = await cluster.get<{ items: ApiNamespace[] }>(`/api/v1/namespaces?labelSelector=${encodeURIComponent(selector)}`);
  return (list?.items ?? []).map(({ metadata: { name, labels = {}, annotations = {}, creationTimestamp = "" } }) => ({ name, labels, annotations, created: creationTimestamp }));
}

/** The same by a kubeconfig; empty where its cluster does not answer, which then holds nothing that could be removed. */
export async function namespacesBy(kubeconfig: string | undefined, owner: Owner): Promise<OwnedNamespace[]> {
  if (kubeconfig === undefined) return [];
  const cluster = await openCluster(kubeconfig);
  try {
    return await namespacesIn(cluster, owner).catch(() => []);
  } finally {
    cluster.close();
  }
}

/**
 * Deletes namespaces, with what Helm's releases in them made outside, and waits until they are gone. Finalizers are left alone: they are somebody's promise.
 * @throws UserError E_DESTROY that names what holds one up
 */
export async function removeNamespaces(kubeconfig: string, names: readonly string[]): Promise<void> {
  const cluster = await openCluster(kubeconfig);
  try {
    for (const name of names) await removeOutsideOf(cluster, name);
    await Promise.all(names.map((name) => beginRemoval(cluster, name)));
    await Promise.all(names.map((name) => waitFor(async () => {
      const left = await cluster.get<ApiNamespace>(`/api/v1/namespaces/${name}`);
      return left ? { reason: whyStill(left) } : { value: true };
    }, { deadline: GONE_WITHIN, interval: 250 }, (reason) => new UserError("E_DESTROY", {
      seen: `namespace ${name} is still there after ${GONE_WITHIN / 1000} s: ${reason}`, wanted: "no such namespace", next: `kubectl get namespace ${name} -o yaml`,
    }))));
  } finally {
    cluster.close();
  }
}

/**
 * Deletes a namespace without waiting. Its controller first looks at it after five seconds and, where it then finds a volume's
 * claim, whose finalizer waits for the pod, again after eight more: so pods and claims are deleted at once too.
 */
export async function beginRemoval(cluster: ClusterAccess, name: string): Promise<void> {
  for (const path of ["", "/pods?gracePeriodSeconds=1", "/persistentvolumeclaims"]) await cluster.remove(`/api/v1/namespaces/${name}${path}`);
}

function whyStill({ status }: ApiNamespace): string {
  const holding = (status?.conditions ?? []).filter((condition) => condition.status === "True").map(({ type, message }) => `${type}: ${message ?? ""}`);
  return holding.join("; ") || "its content is being deleted";
}
