import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { createHmac, randomBytes } from "node:crypto";
import { BAY_STORAGE } from "../quota";
import { bayPodSpec, CONFIG_DIGEST, KEYS_DIGEST, type BayContainerArgs, type BayPodDraft } from "./bay-pod";
import { Component, type ComponentOptions, type Draft, type ObjectArgs, type Transform } from "./component";

export interface BayArgs extends ObjectArgs, BayContainerArgs {
  /** Name of the pod, with which the names of its Secret and its volume begin. Default `bay`. */
  name?: string;
  namespace: pulumi.Input<string>;
  /** Names of the Secrets by which the image may be pulled. Default none. */
  pullSecrets?: pulumi.Input<string[]>;
  /** Class of the volume with Bay's records. Default the cluster's own. */
  storageClass?: string;
  serviceAccount: pulumi.Input<string>;
  configMap: pulumi.Input<string>;
  /** Digest of the configuration: another one makes a new pod. */
  configDigest: pulumi.Input<string>;
  /** Key of the API. Default a random one that is made once. */
  apiKey?: string;
  /** Key without which Bay's admin routes are closed. Default none: any key of the API opens them. */
  adminKey?: string;
  /** Changes what is declared. */
  transform?: {
    secret?: Transform<Draft<k8s.core.v1.SecretArgs>>;
    data?: Transform<Draft<k8s.core.v1.PersistentVolumeClaimArgs>>;
    pod?: Transform<BayPodDraft>;
  };
}

/** Bay itself: the Secret with its key, the volume with its records, and the pod. A namespace has room for one. */
export class Bay extends Component {
  /** Name of the pod, known once it is ready. */
  readonly pod: pulumi.Output<string>;
  /** Key of the API. Secret. */
  readonly apiKey: pulumi.Output<string>;
  readonly nodes: {
    secret: k8s.core.v1.Secret;
    sessionSecret: k8s.core.v1.Secret;
    data: k8s.core.v1.PersistentVolumeClaim;
    pod: k8s.core.v1.Pod;
  };

  constructor(name: string, args: BayArgs, options: ComponentOptions = {}) {
    super("Bay", name, options);
    const secret = this.declareKey(args);
    const sessionSecret = this.declareSessionKey(args);
    const adminSecret = this.declareAdminKey(args);
    const data = this.declareData(args);
    const pod = this.declarePod(args, { secret, sessionSecret, adminSecret, data });
    this.pod = pod.metadata.name;
    this.apiKey = pulumi.secret(secret.data.apply((data) => Buffer.from(data["api-key"] ?? "", "base64").toString()));
    this.nodes = { secret, sessionSecret, data, pod };
    this.registerOutputs({ pod: this.pod });
  }

  /** A key that nobody chose is made at the first `up` and kept: later random ones are ignored. */
  private declareKey({ name = "bay", namespace, labels, apiKey = "", transform }: BayArgs): k8s.core.v1.Secret {
    const key = pulumi.secret(Buffer.from(apiKey || `sk-bay-${randomBytes(32).toString("hex")}`).toString("base64"));
    return this.declare(
      k8s.core.v1.Secret,
      "api-key",
      {
        metadata: { name: keySecretOf(name), namespace, labels: { ...labels }, annotations: {} },
        data: { "api-key": key },
      },
      transform?.secret,
      apiKey === "" ? { ignoreChanges: ["data"] } : {},
    );
  }

  /** From it Bay makes the tokens by which sandboxes' runtimes know it. Apart from the records: those may be lost. */
  private declareSessionKey({ name = "bay", namespace, labels }: BayArgs): k8s.core.v1.Secret {
    const key = pulumi.secret(Buffer.from(randomBytes(32).toString("hex")).toString("base64"));
    return this.declare(
      k8s.core.v1.Secret,
      "session-key",
      {
        metadata: { name: sessionSecretOf(name), namespace, labels: { ...labels }, annotations: {} },
        data: { "session-key": key },
      },
      undefined,
      { ignoreChanges: ["data"] },
    );
  }

  private declareAdminKey({ name = "bay", namespace, labels, adminKey = "" }: BayArgs): k8s.core.v1.Secret | undefined {
    if (adminKey === "") return undefined;
    return this.declare(
      k8s.core.v1.Secret,
      "admin-key",
      {
        metadata: { name: `${name}-admin-key`, namespace, labels: { ...labels }, annotations: {} },
        data: { "admin-key": pulumi.secret(Buffer.from(adminKey).toString("base64")) },
      },
      undefined,
    );
  }

  /**
   * The records outlive the pod. The volume is bound when the pod comes; to wait for that here would be to wait for
   * ever.
   */
  private declareData({
    name = "bay",
    namespace,
    labels,
    storageClass = "",
    transform,
  }: BayArgs): k8s.core.v1.PersistentVolumeClaim {
    return this.declare(
      k8s.core.v1.PersistentVolumeClaim,
      "data",
      {
        metadata: {
          name: `${name}-data`,
          namespace,
          labels: { ...labels },
          annotations: { "pulumi.com/skipAwait": "true" },
        },
        spec: {
          accessModes: ["ReadWriteOnce"],
          resources: { requests: { storage: BAY_STORAGE } },
          ...(storageClass === "" ? {} : { storageClassName: storageClass }),
        },
      },
      transform?.data,
    );
  }

  private declarePod(args: BayArgs, { secret, sessionSecret, adminSecret, data }: Made): k8s.core.v1.Pod {
    const {
      name = "bay",
      namespace,
      labels,
      pullSecrets = [],
      configMap,
      serviceAccount,
      readyTimeout = 120,
      transform,
    } = args;
    const spec = bayPodSpec(args, {
      serviceAccount,
      configMap,
      secret: secret.metadata.name,
      records: { persistentVolumeClaim: { claimName: data.metadata.name } },
      pullSecrets: pulumi.output(pullSecrets).apply((names) => names.map((each) => ({ name: each }))),
      sessionSecret: { name: sessionSecret.metadata.name },
      ...(adminSecret ? { adminSecret: adminSecret.metadata.name } : {}),
    });
    const annotations = {
      [CONFIG_DIGEST]: args.configDigest,
      [KEYS_DIGEST]: digestOfKeys(sessionSecret, [secret, ...(adminSecret ? [adminSecret] : [])]),
    };
    // Bay reads its configuration and its keys once. A provider that changes objects in place would leave the pod with
    // the old ones.
    return this.declare(
      k8s.core.v1.Pod,
      "pod",
      { metadata: { name, namespace, labels: { ...labels, app: "bay" }, annotations }, spec },
      transform?.pod,
      {
        deleteBeforeReplace: true,
        replaceOnChanges: [CONFIG_DIGEST, KEYS_DIGEST].map((each) => `metadata.annotations["${each}"]`),
        customTimeouts: { create: `${readyTimeout}s` },
      },
    );
  }
}

/** What Bay's pod needs. */
interface Made {
  secret: k8s.core.v1.Secret;
  sessionSecret: k8s.core.v1.Secret;
  adminSecret: k8s.core.v1.Secret | undefined;
  data: k8s.core.v1.PersistentVolumeClaim;
}

/** A digest that changes with the keys; made with the sessions' key, so that nobody tries out short ones against it. */
function digestOfKeys(session: k8s.core.v1.Secret, secrets: k8s.core.v1.Secret[]): pulumi.Output<string> {
  const all = pulumi.all([session.data, ...secrets.map(({ data }) => data)]);
  return pulumi.unsecret(
    all.apply(([salt, ...keys]) =>
      createHmac("sha256", JSON.stringify(salt)).update(JSON.stringify(keys)).digest("hex").slice(0, 16),
    ),
  );
}

/** Name of the Secret with the key of the tokens of a Bay's sessions. @param name of its pod */
export function sessionSecretOf(name: string): string {
  return `${name}-session-key`;
}

/** Name of the Secret with the key of a Bay. @param name of its pod */
export function keySecretOf(name: string): string {
  return `${name}-api-key`;
}
