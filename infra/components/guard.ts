import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Quota } from "../quota";
import { openKubeApi, type KubeList } from "../support/kube-api";
import { type ClusterDns, dnsEgress } from "./dns";
import { Component, type ComponentOptions } from "./component";
import { type Profile, runtimePorts } from "./profiles";
import { REHEARSAL_LABEL } from "./rehearsal";

/** Where pods of a cluster reach its API server. */
export interface ApiServer {
  addresses: string[];
  ports: number[];
}

export interface GuardArgs {
  namespace: pulumi.Input<string>;
  /** What all pods and volumes of the namespace may take together. */
  quota: Quota;
  profiles: readonly Profile[];
  apiServer: pulumi.Input<ApiServer>;
  /** Where the cluster's DNS is. Default `DEFAULT_DNS`. */
  dns?: pulumi.Input<ClusterDns>;
}

/**
 * Keeps a namespace that shares its cluster with others to itself: a ResourceQuota, a LimitRange for containers that
 * say nothing, and a NetworkPolicy that denies all, with Bay's ways out. Everybody's ways in, and the sandboxes', are
 * those of `Network`. A cluster without an engine for policies keeps them as wishes.
 */
export class Guard extends Component {
  readonly nodes: {
    quota: k8s.core.v1.ResourceQuota;
    limits: k8s.core.v1.LimitRange;
    deny: k8s.networking.v1.NetworkPolicy;
    bay: k8s.networking.v1.NetworkPolicy;
  };

  constructor(name: string, args: GuardArgs, options: ComponentOptions = {}) {
    super("Guard", name, options);
    this.nodes = {
      quota: this.declareQuota(args),
      limits: this.declareLimits(args),
      deny: this.declareDeny(args),
      bay: this.declareBayEgress(args),
    };
    this.registerOutputs();
  }

  private declareQuota({ namespace, quota }: GuardArgs): k8s.core.v1.ResourceQuota {
    return new k8s.core.v1.ResourceQuota(
      this.childName("quota"),
      { metadata: { name: "preview", namespace }, spec: { hard: { ...quota } } },
      this.child(),
    );
  }

  /** A quota on memory refuses pods that name none; what somebody runs beside Bay gets a little. */
  private declareLimits({ namespace }: GuardArgs): k8s.core.v1.LimitRange {
    return new k8s.core.v1.LimitRange(
      this.childName("limits"),
      {
        metadata: { name: "preview", namespace },
        spec: {
          limits: [
            {
              type: "Container",
              default: { cpu: "500m", memory: "256Mi", "ephemeral-storage": "1Gi" },
              defaultRequest: { cpu: "50m", memory: "64Mi", "ephemeral-storage": "32Mi" },
            },
          ],
        },
      },
      this.child(),
    );
  }

  private declareDeny({ namespace }: GuardArgs): k8s.networking.v1.NetworkPolicy {
    return new k8s.networking.v1.NetworkPolicy(
      this.childName("default-deny"),
      {
        metadata: { name: "default-deny", namespace },
        spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      },
      this.child(),
    );
  }

  /** Bay's ways out: DNS, its sandboxes, the API server. */
  private declareBayEgress({ namespace, profiles, apiServer, dns }: GuardArgs): k8s.networking.v1.NetworkPolicy {
    const tcp = (port: number) => ({ protocol: "TCP", port });
    const { addresses, ports } = pulumi.output(apiServer);
    return new k8s.networking.v1.NetworkPolicy(
      this.childName("bay-egress"),
      {
        metadata: { name: "bay-egress", namespace },
        spec: {
          // A Bay that is tried before the old one goes needs the same.
          podSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["bay", REHEARSAL_LABEL] }] },
          policyTypes: ["Egress"],
          egress: pulumi.output(dnsEgress(dns)).apply((toDns) => [
            ...toDns,
            {
              to: [{ podSelector: { matchLabels: { "bay.managed": "true" } } }],
              ports: runtimePorts(profiles).map(tcp),
            },
            {
              to: addresses.apply((list) =>
                list.map((address) => ({ ipBlock: { cidr: `${address}/${address.includes(":") ? 128 : 32}` } })),
              ),
              ports: ports.apply((list) => list.map(tcp)),
            },
          ]),
        },
      },
      this.child(),
    );
  }
}

interface Slice {
  endpoints: { addresses: string[] }[];
  ports?: { port?: number }[];
}
interface Service {
  spec: { clusterIP: string; ports: { port: number }[] };
}

/**
 * Asks a cluster where its API server is for pods: engines look at a packet before, or after, a service's address was
 * replaced.
 */
export async function apiServerOf(kubeconfig: string): Promise<ApiServer> {
  const api = await openKubeApi(kubeconfig);
  try {
    const [service, slices] = await Promise.all([
      api.get<Service>("/api/v1/namespaces/default/services/kubernetes"),
      api.get<KubeList<Slice>>(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes",
      ),
    ]);
    const items = slices?.items ?? [];
    const addresses = [
      ...(service ? [service.spec.clusterIP] : []),
      ...items.flatMap(({ endpoints }) => endpoints.flatMap((endpoint) => endpoint.addresses)),
    ];
    const ports = [
      ...(service?.spec.ports ?? []).map(({ port }) => port),
      ...items.flatMap(({ ports: list }) => (list ?? []).flatMap(({ port }) => port ?? [])),
    ];
    return { addresses: [...new Set(addresses)].sort(), ports: [...new Set(ports)].sort((a, b) => a - b) };
  } finally {
    api.close();
  }
}
