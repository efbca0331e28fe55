import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { BAY_RESOURCES, BAY_TMP } from "../quota";
import type { Draft } from "./component";

/** Where Bay listens, unless something else is said. */
export const PORT = 8114;
/** Where Bay serves its metrics; the default of its configuration. */
export const METRICS_PORT = 9114;
/** Annotation of Bay's pod: digest of the configuration that it was started with. */
export const CONFIG_DIGEST = "bay-e2e.dev/config";
/** Annotation of Bay's pod: digest of the keys that it was started with. */
export const KEYS_DIGEST = "bay-e2e.dev/keys";
/** Seconds that Bay gets to end; its own limit for running calls is 10. */
const GRACE = 15;

/** How Bay's container is run, whichever pod it is in. */
export interface BayContainerArgs {
  image: pulumi.Input<string>;
  /** Default `IfNotPresent`. */
  pullPolicy?: "Never" | "IfNotPresent";
  /** Bay's port. Default 8114. */
  port?: number;
  /** Pod Security level that the image can live with. Default `restricted`. */
  security?: "restricted" | "baseline";
  /** Seconds until a pod that is not ready is an error. Default 120. */
  readyTimeout?: number;
}

/** What Bay's pod takes from its surroundings. */
export interface Surroundings {
  serviceAccount: pulumi.Input<string>;
  pullSecrets: pulumi.Input<{ name: string }[]>;
  configMap: pulumi.Input<string>;
  /** Name of the Secret with the key of the API. */
  secret: pulumi.Input<string>;
  /**
   * Secret with the key of the sessions' tokens. `optional` where it need not exist: then Bay makes a key of its own.
   */
  sessionSecret: { name: pulumi.Input<string>; optional?: boolean };
  /** Name of the Secret with the admin key. Default none. */
  adminSecret?: pulumi.Input<string>;
  /** What is mounted for Bay's records. */
  records: Omit<k8s.types.input.core.v1.Volume, "name">;
}

/** A pod's specification whose containers and volumes can be added to. */
export type OpenPodSpec = Omit<k8s.types.input.core.v1.PodSpec, "containers" | "volumes"> & {
  containers: k8s.types.input.core.v1.Container[];
  volumes: k8s.types.input.core.v1.Volume[];
};

/** Bay's pod before it is declared, as `transform.pod` gets it. */
export type BayPodDraft = Draft<k8s.core.v1.PodArgs, { spec: OpenPodSpec }>;

/** The specification of Bay's pod. */
export function bayPodSpec(args: BayContainerArgs, surroundings: Surroundings): OpenPodSpec {
  const { security = "restricted" } = args;
  const { serviceAccount, pullSecrets, configMap, records } = surroundings;
  return {
    serviceAccountName: serviceAccount,
    enableServiceLinks: false,
    restartPolicy: "Always",
    terminationGracePeriodSeconds: GRACE,
    imagePullSecrets: pullSecrets,
    ...podSecurity(security),
    containers: [{ ...bayContainer(args, surroundings), ...containerSecurity(security) }],
    volumes: [
      { name: "config", configMap: { name: configMap } },
      { name: "data", ...records },
      { name: "tmp", emptyDir: { sizeLimit: BAY_TMP } },
    ],
  };
}

function bayContainer(
  args: BayContainerArgs,
  { secret, sessionSecret, adminSecret }: Surroundings,
): k8s.types.input.core.v1.Container {
  const { image, pullPolicy = "IfNotPresent", port = PORT, readyTimeout = 120 } = args;
  return {
    name: "bay",
    image,
    imagePullPolicy: pullPolicy,
    ports: [
      { name: "http", containerPort: port },
      { name: "metrics", containerPort: METRICS_PORT },
    ],
    env: [
      { name: "BAY_CONFIG_FILE", value: "/etc/bay/config.yaml" },
      { name: "BAY_DATA_DIR", value: "/var/lib/bay" },
      { name: "BAY_API_KEY", valueFrom: { secretKeyRef: { name: secret, key: "api-key" } } },
      { name: "BAY_SESSION_KEY", valueFrom: { secretKeyRef: { ...sessionSecret, key: "session-key" } } },
      ...(adminSecret === undefined
        ? []
        : [{ name: "BAY_ADMIN_KEY", valueFrom: { secretKeyRef: { name: adminSecret, key: "admin-key" } } }]),
    ],
    volumeMounts: [
      { name: "config", mountPath: "/etc/bay", readOnly: true },
      { name: "data", mountPath: "/var/lib/bay" },
      { name: "tmp", mountPath: "/tmp" },
    ],
    startupProbe: { ...health(port), periodSeconds: 1, failureThreshold: readyTimeout },
    readinessProbe: { ...health(port), periodSeconds: 1, failureThreshold: 5 },
    livenessProbe: { ...health(port), periodSeconds: 10, failureThreshold: 3 },
    resources: structuredClone(BAY_RESOURCES),
  };
}

function health(port: number) {
  return { httpGet: { path: "/health", port }, timeoutSeconds: 2 };
}

function podSecurity(security: "restricted" | "baseline") {
  if (security === "baseline") return {};
  return {
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 10001,
      runAsGroup: 10001,
      fsGroup: 10001,
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

function containerSecurity(security: "restricted" | "baseline") {
  if (security === "baseline") return {};
  return {
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
  };
}
