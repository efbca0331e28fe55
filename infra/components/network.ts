import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { METRICS_PORT, PORT } from "./bay-pod";
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
 * Who may talk to whom: Bay to its sandboxes, sandboxes to DNS and, by their profile, to the internet; everybody but sandboxes
 * to Bay. A cluster without an engine for policies keeps them as wishes; the suite asks which it is.
 */
export class Network extends Component {
  readonly nodes: { sandboxes: k8s.networking.v1.NetworkPolicy; internet: k8s.networking.v1.NetworkPolicy; bay: k8s.networking.v1.NetworkPolicy };

  constructor(name: string, args: NetworkArgs, options: ComponentOptions = {}) {
    super("Network", name, options);
    this.nodes = { sandboxes: this.declareSandboxes(args), internet: this.declareInternet(args), bay: this.declareBay(args) };
    this.registerOutputs();
  }

  private declareSandboxes(args: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const { profiles = DEFAULT_PROFILES } = args;
    return this.policy("sandboxes", "bay-sandboxes", args, {
      podSelector: { matchLabels: SANDBOX }, policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [{ podSelector: { matchLabels: BAY } }], ports: runtimePorts(profiles).map((port) => ({ protocol: "TCP", port })) }],
      egress: [{ ports: [{ protocol: "UDP", port: 53 }, { protocol: "TCP", port: 53 }] }],
    });
  }

  private declareInternet(args: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const { profiles = DEFAULT_PROFILES } = args;
    const values = profiles.filter(({ egress }) => egress === "internet").map(({ id }) => id);
    return this.policy("internet", "bay-sandboxes-internet", args, {
      podSelector: { matchLabels: SANDBOX, matchExpressions: [{ key: PROFILE, operator: "In", values }] }, policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: PRIVATE } }] }],
    });
  }

  /** The suite's port-forward ends inside the pod, where no policy stands. */
  private declareBay(args: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const { port = PORT, metricsPort = METRICS_PORT } = args;
    const others = [{ podSelector: { matchExpressions: [{ key: "bay.managed", operator: "DoesNotExist" }] } }];
    return this.policy("bay", "bay", args, {
      podSelector: { matchLabels: BAY }, policyTypes: ["Ingress"],
      ingress: [{ from: others, ports: [{ protocol: "TCP", port }] }, { ports: [{ protocol: "TCP", port: metricsPort }] }],
    });
  }

  private policy(part: "sandboxes" | "internet" | "bay", name: string, { namespace, labels, transform }: NetworkArgs, spec: k8s.types.input.networking.v1.NetworkPolicySpec): k8s.networking.v1.NetworkPolicy {
    return this.declare(k8s.networking.v1.NetworkPolicy, part, { metadata: { name, namespace, labels: { ...labels }, annotations: {} }, spec }, transform?.[part]);
  }
}
