import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { randomBytes } from "node:crypto";
import { BAY_RESOURCES, BAY_STORAGE } from "../quota";
import { Component, type ComponentOptions } from "./component";

export interface BayArgs {
  /** Name of the pod. */
  name: string;
  namespace: pulumi.Input<string>;
  image: pulumi.Input<string>;
  pullPolicy: "Never" | "IfNotPresent";
  /** Names of the Secrets by which the image may be pulled. */
  pullSecrets: pulumi.Input<string[]>;
  port: number;
  /** Class of the volume with Bay's records; empty for the cluster's default. */
  storageClass: string;
  serviceAccount: pulumi.Input<string>;
  configMap: pulumi.Input<string>;
  /** Digest of the configuration. */
  configDigest: pulumi.Input<string>;
  /** Key of the API; empty for a random one that is made once. */
  apiKey: string;
  security: "restricted" | "baseline";
  /** Seconds until a pod that is not ready is an error. */
  readyTimeout: number;
}

/** Where Bay serves its metrics; the default of its configuration. */
export const METRICS_PORT = 9114;
/** Seconds that Bay gets to end; its own limit for running calls is 10. */
const GRACE = 15;

/** Bay itself: the Secret with its key, the volume with its records, and the pod. */
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
  private declareKey({ name, namespace, apiKey }: BayArgs): k8s.core.v1.Secret {
    const key = pulumi.secret(Buffer.from(apiKey || `sk-bay-${randomBytes(32).toString("hex")}`).toString("base64"));
    return new k8s.core.v1.Secret("api-key", {
      metadata: { name: `${name}-api-key`, namespace }, data: { "api-key": key },
    }, this.child(apiKey === "" ? { ignoreChanges: ["data"] } : {}));
  }

  /** The records outlive the pod. The volume is bound when the pod comes; to wait for that here would be to wait for ever. */
  private declareData({ name, namespace, storageClass }: BayArgs): k8s.core.v1.PersistentVolumeClaim {
    return new k8s.core.v1.PersistentVolumeClaim("data", {
      metadata: { name: `${name}-data`, namespace, annotations: { "pulumi.com/skipAwait": "true" } },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: BAY_STORAGE } }, ...(storageClass === "" ? {} : { storageClassName: storageClass }) },
    }, this.child());
  }

  private declarePod(args: BayArgs, secret: k8s.core.v1.Secret, data: k8s.core.v1.PersistentVolumeClaim): k8s.core.v1.Pod {
    return new k8s.core.v1.Pod("pod", {
      metadata: { name: args.name, namespace: args.namespace, labels: { app: "bay" }, annotations: { "bay-e2e.dev/config": args.configDigest } },
      spec: {
        serviceAccountName: args.serviceAccount, enableServiceLinks: false, restartPolicy: "Always", terminationGracePeriodSeconds: GRACE,
        imagePullSecrets: pulumi.output(args.pullSecrets).apply((names) => names.map((name) => ({ name }))),
        ...podSecurity(args.security),
        containers: [{
          name: "bay", image: args.image, imagePullPolicy: args.pullPolicy, ports: [{ name: "http", containerPort: args.port }, { name: "metrics", containerPort: METRICS_PORT }],
          env: [
            { name: "BAY_CONFIG_FILE", value: "/etc/bay/config.yaml" }, { name: "BAY_DATA_DIR", value: "/var/lib/bay" },
            { name: "BAY_API_KEY", valueFrom: { secretKeyRef: { name: secret.metadata.name, key: "api-key" } } },
          ],
          volumeMounts: [{ name: "config", mountPath: "/etc/bay", readOnly: true }, { name: "data", mountPath: "/var/lib/bay" }, { name: "tmp", mountPath: "/tmp" }],
          startupProbe: { ...health(args.port), periodSeconds: 1, failureThreshold: args.readyTimeout },
          readinessProbe: { ...health(args.port), periodSeconds: 2, failureThreshold: 3 },
          livenessProbe: { ...health(args.port), periodSeconds: 10, failureThreshold: 3 },
          resources: BAY_RESOURCES,
          ...containerSecurity(args.security),
        }],
        volumes: [{ name: "config", configMap: { name: args.configMap } }, { name: "data", persistentVolumeClaim: { claimName: data.metadata.name } }, { name: "tmp", emptyDir: {} }],
      },
    }, this.child({ deleteBeforeReplace: true, customTimeouts: { create: `${args.readyTimeout}s` } }));
  }
}

function health(port: number) {
  return { httpGet: { path: "/health", port }, timeoutSeconds: 2 };
}

function podSecurity(security: BayArgs["security"]) {
  if (security === "baseline") return {};
  return { securityContext: { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: { type: "RuntimeDefault" } } };
}

function containerSecurity(security: BayArgs["security"]) {
  if (security === "baseline") return {};
  return { securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } } };
}
