import { kubeconfigOf, openCluster, type ClusterAccess } from "../../cluster/access";
import { type CheckSpec, ok, warn } from "../check";

/** What a cluster enforces of the limits that sandboxes are given. */
export interface LimitFacts {
  /**
   * Of each node, by its kubelet: most pids of a pod (-1: no limit), whether it keeps ephemeral-storage, or why it is
   * not known.
   */
  nodes: { name: string; pids?: number; ephemeral?: boolean; problem?: string }[];
  /** The storage class of the volumes, and its provisioner. */
  storage?: { name: string; provisioner: string };
  /** What in kube-system, or beside it, enforces NetworkPolicies, by the names of its pods. */
  engine?: string;
}

const NEEDED = "limits of processes, disk, volumes and network that the cluster keeps";
/** Provisioners whose volumes are folders of a node's disk, without a size. */
const WITHOUT_SIZE = /local-path|hostpath|host-path/i;
/** Engines by the beginnings of their pods' names; k3s has kube-router built in, and runs no pod for it. */
const ENGINES = [
  "calico-node",
  "cilium",
  "kube-router",
  "kube-network-policies",
  "kindnet",
  "antrea-agent",
  "weave-net",
  "ovnkube-node",
  "canal",
];

/**
 * What the cluster of a stack that is up keeps of what is only written in pods: pids, volume sizes, NetworkPolicies,
 * disk.
 */
export const clusterLimits: CheckSpec<LimitFacts> = {
  name: "limits of sandboxes",
  cost: "slow",
  probe: async ({ stack, settings }) => {
    const kubeconfig = await kubeconfigOf(stack).catch(() => undefined);
    if (kubeconfig === undefined) return undefined; // no cluster yet
    const cluster = await openCluster(kubeconfig);
    try {
      return await factsOf(cluster, settings?.storageClass ?? "");
    } catch (error) {
      return { nodes: [{ name: cluster.server, problem: (error as Error).message }] };
    } finally {
      cluster.close();
    }
  },
  judge: ({ nodes, storage, engine }) => {
    const unlimited = nodes
      .filter(({ pids, problem }) => problem === undefined && (pids === undefined || pids < 0))
      .map(({ name }) => name);
    const [unknown] = nodes.filter(({ problem }) => problem !== undefined);
    const diskless = nodes.filter(({ ephemeral }) => ephemeral === false).map(({ name }) => name);
    const limits = [...new Set(nodes.flatMap(({ pids }) => (pids !== undefined && pids > 0 ? [pids] : [])))];
    const sized = storage !== undefined && !WITHOUT_SIZE.test(storage.provisioner);
    const found = [
      ...(limits.length > 0 ? [`pids of a pod: ${limits.join(", ")}`] : []),
      ...(unlimited.length > 0 ? [`pids of a pod: no limit on ${unlimited.join(", ")}`] : []),
      ...(unknown ? [`pids of a pod: not known, ${unknown.name}: ${unknown.problem!}`] : []),
      diskless.length > 0
        ? `ephemeral-storage: not kept on ${diskless.join(", ")}`
        : "ephemeral-storage: kept by eviction",
      storage === undefined
        ? "volume sizes: no storage class"
        : `volume sizes: ${sized ? `those of ${storage.provisioner}` : `a wish, ${storage.name} (${storage.provisioner}) is a folder of the node`}`,
      `NetworkPolicies: ${engine === undefined ? "no engine was seen" : `kept by ${engine}`}`,
    ].join("; ");
    if (unlimited.length > 0)
      return warn(
        found,
        NEEDED,
        "set podPidsLimit in the kubelet's configuration of these nodes: a fork bomb takes all that its pod's memory allows",
      );
    if (engine === undefined)
      return warn(found, NEEDED, "install an engine for NetworkPolicies: without one each pod reaches each other");
    if (diskless.length > 0)
      return warn(found, NEEDED, "set localStorageCapacityIsolation in the kubelet's configuration of these nodes");
    return ok(found, NEEDED);
  },
};

interface Items<T> {
  items: T[];
}
interface Named {
  metadata: { name: string; annotations?: Record<string, string> };
}
type KubeletConfig = { kubeletconfig: { podPidsLimit?: number; localStorageCapacityIsolation?: boolean } };

async function factsOf(cluster: ClusterAccess, wanted: string): Promise<LimitFacts> {
  const [nodes, classes, pods] = await Promise.all([
    cluster.get<Items<Named & { status: { nodeInfo: { kubeletVersion: string } } }>>("/api/v1/nodes"),
    cluster.get<Items<Named & { provisioner: string }>>("/apis/storage.k8s.io/v1/storageclasses"),
    cluster.get<Items<Named>>("/api/v1/pods").catch(() => undefined),
  ]);
  const isDefault = ({ metadata }: Named): boolean =>
    metadata.annotations?.["storageclass.kubernetes.io/is-default-class"] === "true";
  const storage = classes?.items.find((one) => (wanted === "" ? isDefault(one) : one.metadata.name === wanted));
  const names = (pods?.items ?? []).map(({ metadata }) => metadata.name);
  const builtIn = nodes?.items.some(({ status }) => status.nodeInfo.kubeletVersion.includes("+k3s"))
    ? "k3s' own kube-router"
    : undefined;
  const engine = ENGINES.find((one) => names.some((name) => name.startsWith(one))) ?? builtIn;
  return {
    nodes: await Promise.all((nodes?.items ?? []).map(({ metadata: { name } }) => kubeletOf(cluster, name))),
    ...(storage ? { storage: { name: storage.metadata.name, provisioner: storage.provisioner } } : {}),
    ...(engine === undefined ? {} : { engine }),
  };
}

async function kubeletOf(cluster: ClusterAccess, name: string): Promise<LimitFacts["nodes"][number]> {
  try {
    const config = await cluster.get<KubeletConfig>(`/api/v1/nodes/${encodeURIComponent(name)}/proxy/configz`);
    if (!config) return { name, problem: "its kubelet shows no configuration" };
    const { podPidsLimit = -1, localStorageCapacityIsolation = true } = config.kubeletconfig;
    return { name, pids: podPidsLimit, ephemeral: localStorageCapacityIsolation };
  } catch (error) {
    return { name, problem: (error as Error).message };
  }
}
