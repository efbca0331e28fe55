import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { randomBytes } from "node:crypto";
import { BAY_STORAGE } from "../quota";
import { bayPodSpec, CONFIG_DIGEST, type BayContainerArgs, type OpenPodSpec } from "./bay-pod";
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
  /** Changes what is declared. */
  transform?: {
    secret?: Transform<Draft<k8s.core.v1.SecretArgs>>;
    data?: Transform<Draft<k8s.core.v1.PersistentVolumeClaimArgs>>;
    pod?: Transform<Draft<k8s.core.v1.PodArgs, { spec: OpenPodSpec }>>;
  };
}

/** Bay itself: the Secret with its key, the volume with its records, and the pod. A namespace has room for one. */
export class Bay extends Component {
  /** Name of the pod, known once it is ready. */
  readonly pod: pulumi.Output<string>;
  /** Key of the API. Secret. */
  readonly apiKey: pulumi.Output<string>;
  readonly nodes: { secret: k8s.core.v1.Secret; data: k8s.core.v1.PersistentVolumeClaim; pod: k8s.core.v1.Pod };

  constructor(name: string, args: BayArgs, options: ComponentOptions = {}) {
    super("Bay", name, options);
    const secret = this.declareKey(args);
    const data = this.declareData(args);
    const pod = this.declarePod(args, secret, data);
    this.pod = pod.metadata.name;
    this.apiKey = pulumi.secret(secret.data.apply((data) => Buffer.from(data["api-key"] ?? "", "base64").toString()));
    this.nodes = { secret, data, pod };
    this.registerOutputs({ pod: this.pod });
  }

  /** A key that nobody chose is made at the first `up` and kept: later random ones are ignored. */
  private declareKey({ name = "bay", namespace, labels, apiKey = "", transform }: BayArgs): k8s.core.v1.Secret {
    const key = pulumi.secret(Buffer.from(apiKey || `sk-bay-${randomBytes(32).toString("hex")}`).toString("base64"));
    return this.declare(k8s.core.v1.Secret, "api-key", {
      metadata: { name: keySecretOf(name), namespace, labels: { ...labels }, annotations: {} }, data: { "api-key": key },
    }, transform?.secret, apiKey === "" ? { ignoreChanges: ["data"] } : {});
  }

  /** The records outlive the pod. The volume is bound when the pod comes; to wait for that here would be to wait for ever. */
  private declareData({ name = "bay", namespace, labels, storageClass = "", transform }: BayArgs): k8s.core.v1.PersistentVolumeClaim {
    return this.declare(k8s.core.v1.PersistentVolumeClaim, "data", {
      metadata: { name: `${name}-data`, namespace, labels: { ...labels }, annotations: { "pulumi.com/skipAwait": "true" } },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: BAY_STORAGE } }, ...(storageClass === "" ? {} : { storageClassName: storageClass }) },
    }, transform?.data);
  }

  private declarePod(args: BayArgs, secret: k8s.core.v1.Secret, data: k8s.core.v1.PersistentVolumeClaim): k8s.core.v1.Pod {
    const { name = "bay", namespace, labels, pullSecrets = [], configMap, serviceAccount, readyTimeout = 120, transform } = args;
    const spec = bayPodSpec(args, {
      serviceAccount, configMap, secret: secret.metadata.name, records: { persistentVolumeClaim: { claimName: data.metadata.name } },
      pullSecrets: pulumi.output(pullSecrets).apply((names) => names.map((each) => ({ name: each }))),
    });
    // Bay reads its configuration once. A provider that changes ConfigMaps in place would leave the pod with the old one.
    return this.declare(k8s.core.v1.Pod, "pod", {
      metadata: { name, namespace, labels: { ...labels, app: "bay" }, annotations: { [CONFIG_DIGEST]: args.configDigest } }, spec,
    }, transform?.pod, { deleteBeforeReplace: true, replaceOnChanges: [`metadata.annotations["${CONFIG_DIGEST}"]`], customTimeouts: { create: `${readyTimeout}s` } });
  }
}

/** Name of the Secret with the key of a Bay. @param name of its pod */
export function keySecretOf(name: string): string {
  return `${name}-api-key`;
}
