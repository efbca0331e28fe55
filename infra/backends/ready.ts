import type { ClusterOutput } from "../outputs";
import { UserError } from "../support/errors";
import { openKubeApi, type KubeApi, type KubeList } from "../support/kube-api";
import { type Look, waitFor } from "../support/wait";

export interface ReadyOptions {
  /** The cluster's name, for messages and outputs. */
  name: string;
  /** Seconds until a cluster that is not ready is an error. */
  timeout: number;
  /** Throws when the cluster can no longer become ready, because its node ended for example. */
  alive: () => Promise<void>;
  /** Command that shows why the cluster is not ready. */
  next: string;
}

/**
 * Waits until pods can run, resolve names and get volumes.
 * @throws UserError E_CLUSTER_NOT_READY with the last reason; whatever `alive` throws
 */
export async function clusterReady(kubeconfig: string, options: ReadyOptions): Promise<ClusterOutput> {
  const api = openKubeApi(kubeconfig);
  try {
    return await waitFor(async () => {
      const look = await lookAt(api, options.name);
      if ("reason" in look) await options.alive();
      return look;
    }, { deadline: options.timeout * 1000, interval: 150 }, (reason, seconds) => new UserError("E_CLUSTER_NOT_READY", {
      seen: `${options.name} after ${seconds} s: ${reason}`, wanted: "nodes ready, default ServiceAccount, cluster DNS, a default StorageClass", next: options.next,
    }));
  } finally {
    api.close();
  }
}

/** One look at everything that ready means; the first thing that is missing is the reason. */
async function lookAt(api: KubeApi, name: string): Promise<Look<ClusterOutput>> {
  try {
    const [nodes, account, dns, classes] = await Promise.all([
      api.get<KubeList<Node>>("/api/v1/nodes"),
      api.get("/api/v1/namespaces/default/serviceaccounts/default"),
      api.get<KubeList<EndpointSlice>>("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns"),
      api.get<KubeList<StorageClass>>("/apis/storage.k8s.io/v1/storageclasses"),
    ]);
    const reason = missingNode(nodes) ?? (account ? undefined : "no default ServiceAccount") ?? missingDns(dns) ?? (await missingStorage(api, classes));
    return reason === undefined ? { value: factsOf(name, nodes!.items) } : { reason };
  } catch (error) {
    return { reason: `the API server at ${api.server} does not answer: ${(error as Error).message}` };
  }
}

function missingNode(nodes: KubeList<Node> | undefined): string | undefined {
  if (!nodes || nodes.items.length === 0) return "no node has registered";
  const condition = (node: Node) => node.status.conditions.find((entry) => entry.type === "Ready");
  const waiting = nodes.items.find((node) => condition(node)?.status !== "True");
  return waiting && `node ${waiting.metadata.name} is not ready: ${condition(waiting)?.message ?? "no condition yet"}`;
}

function missingDns(slices: KubeList<EndpointSlice> | undefined): string | undefined {
  const ready = slices?.items.some((slice) => slice.endpoints?.some((endpoint) => endpoint.conditions?.ready));
  return ready ? undefined : "cluster DNS (kube-system/kube-dns) has no ready endpoint";
}

/** A class alone binds nothing: the provisioner of k3s and kind is a Deployment that must be available. */
async function missingStorage(api: KubeApi, classes: KubeList<StorageClass> | undefined): Promise<string | undefined> {
  const standard = classes?.items.find((entry) => entry.metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true");
  if (!standard) return "no default StorageClass";
  const provisioner = await api.get<Deployment>("/apis/apps/v1/namespaces/kube-system/deployments/local-path-provisioner");
  if (provisioner && (provisioner.status.availableReplicas ?? 0) === 0) return `the provisioner of StorageClass ${standard.metadata.name} is not available`;
  return undefined;
}

function factsOf(name: string, nodes: Node[]): ClusterOutput {
  const first = nodes[0]!;
  const { kubeletVersion, containerRuntimeVersion } = first.status.nodeInfo;
  const kind = first.metadata.labels?.["node.kubernetes.io/instance-type"];
  return {
    name, version: kubeletVersion, nodes: nodes.map((node) => node.metadata.name).sort(),
    runtime: containerRuntimeVersion, distribution: kind ? `${kind} ${kubeletVersion}` : kubeletVersion,
  };
}

interface Metadata { name: string; labels?: Record<string, string>; annotations?: Record<string, string> }
interface Node { metadata: Metadata; status: { conditions: { type: string; status: string; message: string }[]; nodeInfo: { kubeletVersion: string; containerRuntimeVersion: string } } }
interface EndpointSlice { endpoints?: { conditions?: { ready?: boolean } }[] | null }
interface StorageClass { metadata: Metadata }
interface Deployment { status: { availableReplicas?: number } }
