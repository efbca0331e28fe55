import * as pulumi from "@pulumi/pulumi";
import { type KubeApi, type KubeList, KubeRefusal, openKubeApi } from "../support/kube-api";
import { type Peer, peersOf } from "./peers";

/** The cluster's DNS, as network policies can name it. */
export interface ClusterDns {
  /** Pods that answer. */
  pods: Peer[];
  /** Addresses that answer and are no pod's: the Service's own, a node's, a cache of the node's. */
  addresses: string[];
  /** Ports at which they answer. */
  ports: number[];
}

/** CoreDNS as kubeadm, kind, k3s, EKS, GKE and AKS label it. */
export const DEFAULT_DNS: ClusterDns = {
  pods: [{ namespace: { "kubernetes.io/metadata.name": "kube-system" }, pod: { "k8s-app": "kube-dns" } }],
  addresses: [],
  ports: [53],
};

type EgressRule = { to: object[]; ports: { protocol: string; port: number }[] };

/** Rules of egress that let pods ask the cluster's DNS, and no other. Plain where `dns` is. */
export function dnsEgress(dns: pulumi.Input<ClusterDns> = DEFAULT_DNS): pulumi.Input<EgressRule[]> {
  return pulumi.Output.isInstance(dns) || dns instanceof Promise ? pulumi.output(dns).apply(rulesOf) : rulesOf(dns);
}

function rulesOf({ pods, addresses, ports }: ClusterDns): EgressRule[] {
  const at = ports.flatMap((port) => ["UDP", "TCP"].map((protocol) => ({ protocol, port })));
  const blocks = addresses.map((address) => ({ ipBlock: { cidr: `${address}/${address.includes(":") ? 128 : 32}` } }));
  // An empty `to` would be everywhere.
  return [peersOf(pods), blocks].filter((to) => to.length > 0).map((to) => ({ to, ports: at }));
}

interface Service {
  spec: { clusterIPs?: string[] };
}
interface Slice {
  endpoints?: { addresses: string[]; targetRef?: { kind?: string } }[];
  ports?: { port?: number }[];
}
interface DaemonSet {
  spec: { template: { spec: { containers: { args?: string[] }[] } } };
}

/**
 * Asks a cluster where its DNS is: the pods of `DEFAULT_DNS`, the address of Service `kube-dns`, endpoints of it that
 * are no pods, and NodeLocal DNSCache. What the user may not read is left out.
 * @param kubeconfig YAML
 */
export async function clusterDnsOf(kubeconfig: string): Promise<ClusterDns> {
  const api = await openKubeApi(kubeconfig);
  const system = "namespaces/kube-system";
  try {
    const [service, slices, cache] = await Promise.all([
      readable<Service>(api, `/api/v1/${system}/services/kube-dns`),
      readable<KubeList<Slice>>(
        api,
        `/apis/discovery.k8s.io/v1/${system}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns`,
      ),
      readable<DaemonSet>(api, `/apis/apps/v1/${system}/daemonsets/node-local-dns`),
    ]);
    return clusterDns(service, slices?.items ?? [], cache);
  } finally {
    api.close();
  }
}

/** What `clusterDnsOf` makes of the objects that it found. */
export function clusterDns(
  service: Service | undefined,
  slices: readonly Slice[],
  cache: DaemonSet | undefined,
): ClusterDns {
  const outside = slices
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ targetRef }) => targetRef?.kind !== "Pod")
    .flatMap(({ addresses }) => addresses);
  const addresses = [
    ...(service?.spec.clusterIPs ?? []).filter((address) => address !== "None"),
    ...outside,
    ...(cache?.spec.template.spec.containers ?? []).flatMap(localAddresses),
  ];
  const ports = [
    ...DEFAULT_DNS.ports,
    ...slices
      .flatMap((slice) => slice.ports ?? [])
      .flatMap(({ port }) => port ?? [])
      .filter((port) => port !== METRICS),
  ];
  return {
    pods: DEFAULT_DNS.pods,
    addresses: [...new Set(addresses)].sort(),
    ports: [...new Set(ports)].sort((a, b) => a - b),
  };
}

/** CoreDNS' metrics, which Service kube-dns has beside its DNS. */
const METRICS = 9153;

/** The addresses at which NodeLocal DNSCache listens on each node: its argument -localip. */
function localAddresses({ args = [] }: { args?: string[] }): string[] {
  const at = args.findIndex((argument) => /^--?localip$/.test(argument));
  const given = at >= 0 ? args[at + 1] : args.find((argument) => /^--?localip=/.test(argument))?.replace(/^[^=]*=/, "");
  return (given ?? "")
    .split(",")
    .map((address) => address.trim())
    .filter((address) => /^[0-9a-f.:]+$/i.test(address));
}

async function readable<T>(api: KubeApi, path: string): Promise<T | undefined> {
  return api.get<T>(path).catch((error: unknown) => {
    if (error instanceof KubeRefusal && error.status === 403) return undefined;
    throw error;
  });
}
