import type { ClusterOutput } from "../outputs";
import { UserError } from "../support/errors";
import { openKubeApi, type KubeApi, type KubeList, KubeRefusal } from "../support/kube-api";
import { type Look, waitFor } from "../support/wait";

export interface ReadyOptions {
  /** The cluster's name, for messages and outputs. */
  name: string;
  /** How many nodes there must be; default 1. */
  nodes?: number;
  /** Where pods get their volumes when there is no default StorageClass. */
  storageClass?: string;
  /** Nodes of which some may be down: one that is ready is enough. */
  lenient?: boolean;
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
  const api = await openKubeApi(kubeconfig);
  try {
    return await waitFor(
      async () => {
        const look = await lookAt(api, options);
        if ("reason" in look) await options.alive();
        return look;
      },
      { deadline: options.timeout * 1000, interval: 150 },
      (reason, seconds) =>
        new UserError("E_CLUSTER_NOT_READY", {
          seen: `${options.name} after ${seconds} s: ${reason}`,
          wanted: "nodes ready, default ServiceAccount, cluster DNS, a default StorageClass",
          next: options.next,
        }),
    );
  } finally {
    api.close();
  }
}

/** One look at everything that ready means; the first thing that is missing is the reason. */
async function lookAt(api: KubeApi, options: ReadyOptions): Promise<Look<ClusterOutput>> {
  try {
    // In a cluster of somebody else not all of it may be shown to everybody: what is not shown is taken to be there.
    const shown = <T>(asked: Promise<T | undefined>): Promise<T | undefined | "hidden"> =>
      options.lenient ? asked.catch(hidden) : asked;
    const [nodes, account, dns, classes] = await Promise.all([
      api.get<KubeList<Node>>("/api/v1/nodes"),
      shown(api.get<object>("/api/v1/namespaces/default/serviceaccounts/default")),
      shown(
        api.get<KubeList<EndpointSlice>>(
          "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns",
        ),
      ),
      api.get<KubeList<StorageClass>>("/apis/storage.k8s.io/v1/storageclasses"),
    ]);
    const reason =
      missingNode(nodes, options) ??
      (account ? undefined : "no default ServiceAccount") ??
      (dns === "hidden" ? undefined : missingDns(dns)) ??
      (await missingStorage((path) => shown(api.get<Deployment>(path)), classes, options.storageClass));
    return reason === undefined ? { value: factsOf(options.name, nodes!.items) } : { reason };
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof KubeRefusal) return { reason: `the API server at ${api.server} refuses: ${error.message}` };
    return { reason: `the API server at ${api.server} does not answer: ${(error as Error).message}` };
  }
}

/** @throws what is no refusal */
function hidden(error: unknown): "hidden" {
  if (error instanceof KubeRefusal && error.status === 403) return "hidden";
  throw error;
}

function missingNode(
  nodes: KubeList<Node> | undefined,
  { nodes: wanted = 1, lenient = false }: ReadyOptions,
): string | undefined {
  const found = nodes?.items ?? [];
  if (found.length < wanted)
    return found.length === 0 ? "no node has registered" : `${found.length} of ${wanted} nodes have registered`;
  const condition = (node: Node) => node.status.conditions.find((entry) => entry.type === "Ready");
  const waiting = found.filter((node) => condition(node)?.status !== "True");
  if (waiting.length === 0 || (lenient && waiting.length < found.length)) return undefined;
  return `node ${waiting[0]!.metadata.name} is not ready: ${condition(waiting[0]!)?.message ?? "no condition yet"}`;
}

function missingDns(slices: KubeList<EndpointSlice> | undefined): string | undefined {
  const ready = slices?.items.some((slice) => slice.endpoints?.some((endpoint) => endpoint.conditions?.ready));
  return ready ? undefined : "cluster DNS (kube-system/kube-dns) has no ready endpoint";
}

/** Where k3s and kind keep the provisioner of their class: a class alone binds nothing. */
const PROVISIONERS = ["kube-system", "local-path-storage"].map(
  (namespace) => `/apis/apps/v1/namespaces/${namespace}/deployments/local-path-provisioner`,
);

async function missingStorage(
  get: (path: string) => Promise<Deployment | undefined | "hidden">,
  classes: KubeList<StorageClass> | undefined,
  named = "",
): Promise<string | undefined> {
  const used = classes?.items.find((entry) =>
    named === ""
      ? entry.metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true"
      : entry.metadata.name === named,
  );
  if (!used) return named === "" ? "no default StorageClass" : `no StorageClass ${named}`;
  const provisioners = await Promise.all(PROVISIONERS.map(get));
  const waiting = provisioners.some(
    (provisioner) => provisioner && provisioner !== "hidden" && (provisioner.status.availableReplicas ?? 0) === 0,
  );
  return waiting ? `the provisioner of StorageClass ${used.metadata.name} is not available` : undefined;
}

function factsOf(name: string, nodes: Node[]): ClusterOutput {
  const first = nodes[0]!;
  const { kubeletVersion, containerRuntimeVersion } = first.status.nodeInfo;
  const kind = first.metadata.labels?.["node.kubernetes.io/instance-type"];
  return {
    name,
    version: kubeletVersion,
    nodes: nodes.map((node) => node.metadata.name).sort(),
    runtime: containerRuntimeVersion,
    distribution: kind ? `${kind} ${kubeletVersion}` : kubeletVersion,
  };
}

interface Metadata {
  name: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
interface Node {
  metadata: Metadata;
  status: {
    conditions: { type: string; status: string; message: string }[];
    nodeInfo: { kubeletVersion: string; containerRuntimeVersion: string };
  };
}
interface EndpointSlice {
  endpoints?: { conditions?: { ready?: boolean } }[] | null;
}
interface StorageClass {
  metadata: Metadata;
}
interface Deployment {
  status: { availableReplicas?: number };
}
