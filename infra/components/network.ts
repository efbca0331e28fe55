import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { METRICS_PORT, PORT } from "./bay-pod";
import { type ClusterDns, dnsEgress } from "./dns";
import { type Peer, peersOf } from "./peers";
import { REHEARSAL_LABEL } from "./rehearsal";
import { Component, type ComponentOptions, type Draft, type ObjectArgs, type Transform } from "./component";
import { DEFAULT_PROFILES, type Profile, runtimePorts } from "./profiles";

/** A policy as a transformation sees it. */
type Policy = Draft<k8s.networking.v1.NetworkPolicyArgs, { spec: k8s.types.input.networking.v1.NetworkPolicySpec }>;

export interface NetworkArgs extends ObjectArgs {
  namespace: pulumi.Input<string>;
  /** Bay's port. Default 8114. */
  port?: number;
  /** Where Bay serves its metrics. Default 9114. */
  metricsPort?: number;
  /** Default `DEFAULT_PROFILES`. */
  profiles?: readonly Profile[];
  /** Where the cluster's DNS is, for example by `clusterDnsOf`. Default `DEFAULT_DNS`: CoreDNS' pods in kube-system. */
  dns?: pulumi.Input<ClusterDns>;
  /** Pods that may call Bay's API. Default none: a port-forward needs no policy. */
  clients?: readonly Peer[];
  /** Pods that may read Bay's metrics. Default none. */
  metricsClients?: readonly Peer[];
  /** Changes what is declared. */
  transform?: { sandboxes?: Transform<Policy>; internet?: Transform<Policy>; bay?: Transform<Policy> };
}

/** Labels that Bay puts on its sandboxes' pods, by its contract; Bay's own pod carries the last. */
const SANDBOX = { "bay.managed": "true" };
const PROFILE = "bay.profile_id";
const BAY = { app: "bay" };
/** What "internet" leaves out: private and link-local addresses, the cluster's own and cloud metadata among them. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"];

/**
 * Who may talk to whom: Bay to its sandboxes, sandboxes to the cluster's DNS and, by their profile, to the internet,
 * and to Bay those that are named. Where Bay itself may go is left open, as its API server or its database may be
 * anywhere. A cluster without an engine for policies keeps them as wishes; the suite asks which it is.
 */
export class Network extends Component {
  readonly nodes: {
    sandboxes: k8s.networking.v1.NetworkPolicy;
    internet: k8s.networking.v1.NetworkPolicy;
    bay: k8s.networking.v1.NetworkPolicy;
  };

  constructor(name: string, args: NetworkArgs, options: ComponentOptions = {}) {
    super("Network", name, options);
    this.nodes = {
      sandboxes: this.declareSandboxes(args),
      internet: this.declareInternet(args),
      bay: this.declareBay(args),
    };
    this.registerOutputs();
  }

  private declareSandboxes(args: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const { profiles = DEFAULT_PROFILES } = args;
    return this.policy("sandboxes", "bay-sandboxes", args, {
      podSelector: { matchLabels: SANDBOX },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: BAY } }],
          ports: runtimePorts(profiles).map((port) => ({ protocol: "TCP", port })),
        },
      ],
      egress: dnsEgress(args.dns),
    });
  }

  private declareInternet(args: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const { profiles = DEFAULT_PROFILES } = args;
    const values = profiles.filter(({ egress }) => egress === "internet").map(({ id }) => id);
    return this.policy("internet", "bay-sandboxes-internet", args, {
      podSelector: { matchLabels: SANDBOX, matchExpressions: [{ key: PROFILE, operator: "In", values }] },
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: PRIVATE } }] }],
    });
  }

  /** A port-forward ends inside the pod, where no policy stands, and a node reaches its own pods, for probes. */
  private declareBay(args: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const { port = PORT, metricsPort = METRICS_PORT, clients = [], metricsClients = [] } = args;
    const rules = [
      { peers: clients, port },
      { peers: metricsClients, port: metricsPort },
    ].filter(({ peers }) => peers.length > 0);
    return this.policy("bay", "bay", args, {
      // A Bay that is tried before the old one goes has no clients either.
      podSelector: { matchExpressions: [{ key: "app", operator: "In", values: [BAY.app, REHEARSAL_LABEL] }] },
      policyTypes: ["Ingress"],
      ingress: rules.map(({ peers, port: at }) => ({ from: peersOf(peers), ports: [{ protocol: "TCP", port: at }] })),
    });
  }

  private policy(
    part: "sandboxes" | "internet" | "bay",
    name: string,
    { namespace, labels, transform }: NetworkArgs,
    spec: k8s.types.input.networking.v1.NetworkPolicySpec,
  ): k8s.networking.v1.NetworkPolicy {
    return this.declare(
      k8s.networking.v1.NetworkPolicy,
      part,
      { metadata: { name, namespace, labels: { ...labels }, annotations: {} }, spec },
      transform?.[part],
    );
  }
}
