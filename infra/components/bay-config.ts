import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { stringify } from "yaml";
import { PORT } from "./bay-pod";
import { Component, type ComponentOptions, type Draft, type ObjectArgs, type Transform } from "./component";
import { DEFAULT_PROFILES, type Profile, profileEntry } from "./profiles";

export interface BayConfigArgs extends ObjectArgs {
  /** Name of the ConfigMap. Default `bay-config`. */
  name?: string;
  namespace: pulumi.Input<string>;
  /** Bay's port. Default 8114. */
  port?: number;
  /** Image of the sandboxes. */
  shipImage: pulumi.Input<string>;
  /** Default `IfNotPresent`. */
  pullPolicy?: "Never" | "IfNotPresent";
  /** Names of the Secrets by which sandboxes' images may be pulled. Default none. */
  pullSecrets?: pulumi.Input<string[]>;
  /** Class of the sandboxes' volumes. Default the cluster's own. */
  storageClass?: string;
  /** Size of a sandbox's volume. Default `1Gi`. */
  storageSize?: string;
  /** Seconds that Bay waits for a sandbox's pod. Default 120. */
  podStartupTimeout?: number;
  /** Default `DEFAULT_PROFILES`. */
  profiles?: readonly Profile[];
  /** Names of the cluster's nodes: of an only one, volumes are made there at once. Default unknown. */
  nodes?: pulumi.Input<string[]>;
  /** Whether Bay collects expired and idle sandboxes by itself. Default false: when it is asked to. */
  collect?: boolean;
  /**
   * Waited for before a content reaches the cluster; throws where Bay would not start with it. Default: any content is
   * good.
   */
  approve?: (content: pulumi.Output<string>) => pulumi.Output<string>;
  /** Changes what is declared: Bay's own configuration, and the ConfigMap that it is put into. */
  transform?: { config?: (config: BayConfiguration) => void; configMap?: Transform<Draft<k8s.core.v1.ConfigMapArgs>> };
}

/** Bay's config.yaml as data. */
export type BayConfiguration = Record<string, unknown>;

/** Bay's configuration file as a ConfigMap. */
export class BayConfig extends Component {
  /** Name of the ConfigMap. */
  readonly configMap: pulumi.Output<string>;
  /** Digest of the content: put on the pod, so that a changed configuration makes a new pod. */
  readonly digest: pulumi.Output<string>;
  readonly nodes: { configMap: k8s.core.v1.ConfigMap };

  constructor(name: string, args: BayConfigArgs, options: ComponentOptions = {}) {
    super("BayConfig", name, options);
    const wanted = pulumi
      .all([args.namespace, args.shipImage, args.pullSecrets ?? [], args.nodes ?? []])
      .apply(([namespace, image, pullSecrets, nodes]) => {
        const config = bayConfig(args, { namespace, image, pullSecrets, nodes });
        args.transform?.config?.(config);
        return stringify(config);
      });
    const content = args.approve?.(wanted) ?? wanted;
    const metadata = {
      name: args.name ?? "bay-config",
      namespace: args.namespace,
      labels: { ...args.labels },
      annotations: {},
    };
    const configMap = this.declare(
      k8s.core.v1.ConfigMap,
      "",
      { metadata, data: { "config.yaml": content } },
      args.transform?.configMap,
    );
    this.configMap = configMap.metadata.name;
    this.digest = content.apply(digestOf);
    this.nodes = { configMap };
    this.registerOutputs({ configMap: this.configMap });
  }
}

/** Digest of a configuration's text. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** What of a configuration is known only when the cluster is. */
export interface Known {
  namespace: string;
  image: string;
  pullSecrets: string[];
  nodes: string[];
}

/** The content of Bay's config.yaml; the key of the API is not in it, Bay gets that from a Secret. */
export function bayConfig(args: BayConfigArgs, { namespace, image, pullSecrets, nodes }: Known): BayConfiguration {
  const {
    port = PORT,
    pullPolicy,
    storageClass = "",
    storageSize = "1Gi",
    podStartupTimeout = 120,
    collect = false,
    profiles = DEFAULT_PROFILES,
  } = args;
  return {
    server: { host: "0.0.0.0", port },
    database: { url: "sqlite+aiosqlite:////var/lib/bay/bay.db" },
    driver: {
      type: "k8s",
      image_pull_policy: pullPolicy === "Never" ? "never" : "if_not_present",
      k8s: {
        namespace,
        storage_class: storageClass || null,
        default_storage_size: storageSize,
        pod_startup_timeout: podStartupTimeout,
        ...(pullSecrets.length > 0 ? { image_pull_secrets: pullSecrets } : {}),
        ...(nodes.length === 1 ? { volume_node: nodes[0] } : {}),
      },
    },
    // The Secret has the one key that is good: who rotates it wants the old one to be worthless.
    security: { allow_anonymous: false, revoke_other_keys: true },
    gc: {
      enabled: collect,
      run_on_startup: collect,
      instance_id: "bay-k8s-e2e",
      idle_session: { enabled: true },
      expired_sandbox: { enabled: true },
      orphan_cargo: { enabled: true },
      orphan_container: { enabled: true },
    },
    profiles: profiles.map((profile) => profileEntry(profile, image)),
  };
}
