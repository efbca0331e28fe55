import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { Component, type ComponentOptions } from "./component";
import { type Profile, runtimePorts } from "./profiles";

export interface NetworkArgs {
  namespace: pulumi.Input<string>;
  /** Bay's port. */
  port: number;
  /** Where Bay serves its metrics. */
  metricsPort: number;
  profiles: readonly Profile[];
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

  private declareSandboxes({ namespace, profiles }: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    return this.policy("bay-sandboxes", namespace, {
      podSelector: { matchLabels: SANDBOX }, policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: [{ podSelector: { matchLabels: BAY } }], ports: runtimePorts(profiles).map((port) => ({ protocol: "TCP", port })) }],
      egress: [{ ports: [{ protocol: "UDP", port: 53 }, { protocol: "TCP", port: 53 }] }],
    });
  }

  private declareInternet({ namespace, profiles }: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const values = profiles.filter(({ egress }) => egress === "internet").map(({ id }) => id);
    return this.policy("bay-sandboxes-internet", namespace, {
      podSelector: { matchLabels: SANDBOX, matchExpressions: [{ key: PROFILE, operator: "In", values }] }, policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: PRIVATE } }] }],
    });
  }

  /** The suite's port-forward ends inside the pod, where no policy stands. */
  private declareBay({ namespace, port, metricsPort }: NetworkArgs): k8s.networking.v1.NetworkPolicy {
    const others = [{ podSelector: { matchExpressions: [{ key: "bay.managed", operator: "DoesNotExist" }] } }];
    return this.policy("bay", namespace, {
      podSelector: { matchLabels: BAY }, policyTypes: ["Ingress"],
      ingress: [{ from: others, ports: [{ protocol: "TCP", port }] }, { ports: [{ protocol: "TCP", port: metricsPort }] }],
    });
  }

  private policy(name: string, namespace: pulumi.Input<string>, spec: k8s.types.input.networking.v1.NetworkPolicySpec): k8s.networking.v1.NetworkPolicy {
    return new k8s.networking.v1.NetworkPolicy(name, { metadata: { name, namespace }, spec }, this.child());
  }
}
