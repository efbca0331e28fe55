import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import { stringify } from "yaml";
import { Component, type ComponentOptions } from "./component";
import { type Profile, profileEntry } from "./profiles";

export interface BayConfigArgs {
  /** Name of the ConfigMap. */
  name: string;
  namespace: pulumi.Input<string>;
  port: number;
  /** Image of the sandboxes. */
  shipImage: pulumi.Input<string>;
  pullPolicy: "Never" | "IfNotPresent";
  /** Names of the Secrets by which sandboxes' images may be pulled. */
  pullSecrets: pulumi.Input<string[]>;
  storageClass: string;
  storageSize: string;
  /** Seconds that Bay waits for a sandbox's pod. */
  podStartupTimeout: number;
  profiles: readonly Profile[];
  /** Names of the cluster's nodes. */
  nodes: pulumi.Input<string[]>;
}

/** Bay's configuration file as a ConfigMap. */
export class BayConfig extends Component {
  /** Name of the ConfigMap. */
  readonly configMap: pulumi.Output<string>;
  /** Digest of the content: put on the pod, so that a changed configuration makes a new pod. */
  readonly digest: pulumi.Output<string>;
  readonly nodes: { configMap: k8s.core.v1.ConfigMap };

  constructor(name: string, args: BayConfigArgs, options: ComponentOptions = {}) {
    super("BayConfig", name, options);
    const content = pulumi.all([args.namespace, args.shipImage, args.pullSecrets, args.nodes])
      .apply(([namespace, image, pullSecrets, nodes]) => stringify(bayConfig(args, { namespace, image, pullSecrets, nodes })));
    const configMap = new k8s.core.v1.ConfigMap("config", { metadata: { name: args.name, namespace: args.namespace }, data: { "config.yaml": content } }, this.child());
    this.configMap = configMap.metadata.name;
    this.digest = content.apply((text) => createHash("sha256").update(text).digest("hex").slice(0, 16));
    this.nodes = { configMap };
    this.registerOutputs({ configMap: this.configMap });
  }
}

/** What of a configuration is known only when the cluster is. */
export interface Known { namespace: string; image: string; pullSecrets: string[]; nodes: string[] }

/** The content of Bay's config.yaml; the key of the API is not in it, Bay gets that from a Secret. */
export function bayConfig(args: BayConfigArgs, { namespace, image, pullSecrets, nodes }: Known): Record<string, unknown> {
  return {
    server: { host: "0.0.0.0", port: args.port },
    database: { url: "sqlite+aiosqlite:////var/lib/bay/bay.db" },
    driver: {
      type: "k8s", image_pull_policy: args.pullPolicy === "Never" ? "never" : "if_not_present",
      k8s: {
        namespace, storage_class: args.storageClass || null, default_storage_size: args.storageSize, pod_startup_timeout: args.podStartupTimeout,
        ...(pullSecrets.length > 0 ? { image_pull_secrets: pullSecrets } : {}),
        ...(nodes.length === 1 ? { volume_node: nodes[0] } : {}),
      },
    },
    security: { allow_anonymous: false },
    gc: {
      enabled: false, run_on_startup: false, instance_id: "bay-k8s-e2e",
      idle_session: { enabled: true }, expired_sandbox: { enabled: true }, orphan_cargo: { enabled: true }, orphan_container: { enabled: true },
    },
    profiles: args.profiles.map((profile) => profileEntry(profile, image)),
  };
}
