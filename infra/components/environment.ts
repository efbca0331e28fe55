import type * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { Access, type AccessArgs } from "./access";
import { Bay, type BayArgs } from "./bay";
import { BayConfig, type BayConfigArgs } from "./bay-config";
import { PORT } from "./bay-pod";
import { Component, type ComponentOptions, type Labels, type ObjectArgs } from "./component";
import { clusterDnsOf } from "./dns";
import { Namespace, type NamespaceArgs } from "./namespace";
import { Network, type NetworkArgs } from "./network";
import { DEFAULT_PROFILES, type Profile } from "./profiles";
import { rehearsed } from "./rehearsal";
import { PullSecret, type PullSecretArgs, type Registry } from "./registry";

export interface BayEnvironmentArgs extends ObjectArgs {
  /** Name of the namespace, which is made. */
  namespace: pulumi.Input<string>;
  /** Image of Bay. */
  bayImage: pulumi.Input<string>;
  /** Image of the sandboxes. */
  shipImage: pulumi.Input<string>;
  /** `Never` where the images were loaded into the nodes. Default `IfNotPresent`. */
  pullPolicy?: "Never" | "IfNotPresent";
  /** Login for the registry that the nodes pull from. Default none. */
  registry?: Registry;
  /** Annotations of the namespace. Default none. */
  annotations?: Labels;
  /** Recipes of sandboxes. Default `DEFAULT_PROFILES`. */
  profiles?: readonly Profile[];
  /** Bay's port. Default 8114. */
  port?: number;
  /** Key of the API. Default a random one that is made once. */
  apiKey?: string;
  /**
   * Kubeconfig (YAML) by which a changed Bay is tried before the old one goes, and the cluster's DNS is found for its
   * network policies. Default none: it is not tried, and DNS is where `DEFAULT_DNS` says.
   */
  kubeconfig?: pulumi.Input<string>;
  /** What a part takes beyond that, its transformations for example. */
  parts?: {
    namespace?: Partial<NamespaceArgs>;
    pullSecret?: Partial<PullSecretArgs>;
    access?: Partial<AccessArgs>;
    network?: Partial<NetworkArgs>;
    config?: Partial<BayConfigArgs>;
    bay?: Partial<BayArgs>;
  };
}

/**
 * A namespace with a Bay in it that serves: all that a team needs of a cluster that is there. A cluster has room for
 * many.
 */
export class BayEnvironment extends Component {
  /** Known once the namespace exists. */
  readonly namespace: pulumi.Output<string>;
  /** Name of Bay's pod, known once it is ready. */
  readonly pod: pulumi.Output<string>;
  /** Bay's port inside the pod. */
  readonly port: number;
  /** Key of the API. Secret. */
  readonly apiKey: pulumi.Output<string>;
  readonly nodes: {
    namespace: k8s.core.v1.Namespace;
    pullSecret: PullSecret;
    access: Access;
    network: Network;
    config: BayConfig;
    bay: Bay;
  };

  constructor(name: string, args: BayEnvironmentArgs, options: ComponentOptions = {}) {
    super("BayEnvironment", name, options);
    const { labels, pullPolicy, registry, parts = {}, port = PORT, profiles = DEFAULT_PROFILES } = args;
    const place = new Namespace(
      name,
      { name: args.namespace, labels, annotations: args.annotations, ...parts.namespace },
      { parent: this },
    );
    // A namespace takes all that is in it along.
    const within = { parent: this, deletedWith: options.deletedWith ?? place.nodes.namespace };
    const common = { labels, namespace: place.namespace };
    const pullSecret = new PullSecret(`${name}-pull-secret`, { ...common, registry, ...parts.pullSecret }, within);
    const access = new Access(name, { ...common, ...parts.access }, within);
    const container = { image: args.bayImage, pullPolicy, pullSecrets: pullSecret.names, port, ...parts.bay };
    const config = new BayConfig(
      name,
      {
        ...common,
        port,
        profiles,
        pullPolicy,
        shipImage: args.shipImage,
        pullSecrets: pullSecret.names,
        collect: true,
        ...(args.kubeconfig === undefined
          ? {}
          : { approve: rehearsed({ ...container, kubeconfig: args.kubeconfig, namespace: place.namespace }) }),
        ...parts.config,
      },
      within,
    );
    // After the configuration: a Bay that is not approved leaves the way to the old one's port open.
    const dns =
      args.kubeconfig === undefined ? {} : { dns: pulumi.unsecret(pulumi.output(args.kubeconfig).apply(clusterDnsOf)) };
    const network = new Network(
      name,
      { ...common, port, profiles, ...dns, ...parts.network },
      { ...within, dependsOn: config },
    );
    const bay = new Bay(
      name,
      {
        ...common,
        ...container,
        apiKey: args.apiKey,
        serviceAccount: access.serviceAccount,
        configMap: config.configMap,
        configDigest: config.digest,
        ...parts.bay,
      },
      within,
    );
    this.namespace = place.namespace;
    this.pod = bay.pod;
    this.port = port;
    this.apiKey = bay.apiKey;
    this.nodes = { namespace: place.nodes.namespace, pullSecret, access, network, config, bay };
    this.registerOutputs({ namespace: this.namespace, pod: this.pod, port, apiKey: this.apiKey });
  }
}
