import type { CargoVolume, ListedCargo, SessionSpec } from "../driver";
import type { ContainerSpec } from "../../config/profiles";

/** The few fields of a Pod that the driver reads. */
export interface Pod {
  metadata: {
    name: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
    deletionTimestamp?: string;
  };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    podIP?: string;
    conditions?: { type: string; status: string; reason?: string; message?: string }[];
    containerStatuses?: ContainerStatus[];
  };
}
export interface ContainerStatus {
  name: string;
  state?: {
    waiting?: { reason?: string; message?: string };
    running?: object;
    terminated?: { exitCode: number; reason?: string; message?: string };
  };
}

/** What the driver's objects depend on beside the session. */
export interface ObjectSettings {
  namespace: string;
  labelPrefix: string;
  instanceId: string;
  pullPolicy: "Always" | "IfNotPresent" | "Never";
  pullSecrets: string[];
  storageClass: string | null;
  storageSize: string;
  /** Node on which volumes are made at once; null where the scheduler chooses it. */
  volumeNode: string | null;
}

/** Seconds that a runtime gets to end; Ship ends at once. */
export const GRACE_SECONDS = 1;
/** What a container asks of the disk of its node: what Ship itself writes is less. */
const EPHEMERAL_REQUEST = "1Mi";
/** uid and gid of a sandbox's processes. */
const USER = 1000;

export const podName = (sessionId: string): string => `bay-session-${sessionId}`;
export const claimName = (cargoId: string): string => `bay-cargo-${cargoId}`;

/** A string made a legal label value: other characters become `-`, at most 63. */
export function labelValue(text: string): string {
  return text
    .replace(/[^A-Za-z0-9._-]/g, "-")
    .slice(0, 63)
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, "");
}

/** Memory as Kubernetes writes it: `1g` is `1Gi`; binary suffixes and bare numbers are kept. */
export function memoryQuantity(text: string): string {
  const found = /^(\d+(?:\.\d+)?)([gmk])$/i.exec(text.trim());
  return found ? `${found[1]!}${found[2]!.toUpperCase()}i` : text.trim();
}

/** The pod of a session: least privilege, no account, no way to gain rights. */
export function sessionPod(spec: SessionSpec, settings: ObjectSettings): object {
  const label = (key: string): string => `${settings.labelPrefix}.${key}`;
  const user = spec.root ? 0 : USER;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: podName(spec.id),
      namespace: settings.namespace,
      labels: {
        [label("owner")]: labelValue(spec.owner),
        [label("sandbox_id")]: spec.sandboxId,
        [label("session_id")]: spec.id,
        [label("cargo_id")]: spec.cargoId,
        [label("profile_id")]: labelValue(spec.profileId),
        [label("runtime_port")]: String(spec.containers[0]!.port),
        [label("instance_id")]: labelValue(settings.instanceId),
        [label("managed")]: "true",
        [label("origin")]: spec.origin,
      },
    },
    spec: {
      restartPolicy: "Never",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: GRACE_SECONDS,
      securityContext: {
        runAsNonRoot: !spec.root,
        runAsUser: user,
        runAsGroup: user,
        fsGroup: user,
        fsGroupChangePolicy: "OnRootMismatch",
        seccompProfile: { type: "RuntimeDefault" },
      },
      imagePullSecrets: settings.pullSecrets.map((name) => ({ name })),
      containers: spec.containers.map((container) => sessionContainer(container, spec, settings)),
      volumes: [{ name: "workspace", persistentVolumeClaim: { claimName: claimName(spec.cargoId) } }],
    },
  };
}

/** The volume of a cargo. */
export function cargoClaim(cargo: CargoVolume, settings: ObjectSettings): object {
  const label = (key: string): string => `${settings.labelPrefix}.${key}`;
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: claimName(cargo.id),
      namespace: settings.namespace,
      labels: {
        [label("managed")]: String(cargo.managed),
        [label("owner")]: labelValue(cargo.owner),
        [label("cargo_id")]: cargo.id,
        [label("instance_id")]: labelValue(settings.instanceId),
        [label("origin")]: cargo.origin,
        ...(cargo.sandboxId === null ? {} : { [label("sandbox_id")]: cargo.sandboxId }),
      },
      annotations: {
        [label("record")]: recordOf(cargo),
        // What the scheduler writes once it has placed the first pod, after which it looks only once a second whether
        // the volume is bound.
        ...(settings.volumeNode === null ? {} : { "volume.kubernetes.io/selected-node": settings.volumeNode }),
      },
    },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: settings.storageSize } },
      ...(settings.storageClass === null ? {} : { storageClassName: settings.storageClass }),
    },
  };
}

/** The label by which a volume is marked as set aside. */
export const SET_ASIDE = "set_aside";

/** A claim as the driver reads it. */
export interface Claim {
  metadata: {
    name: string;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
}

/** What a claim says of its cargo; undefined for one without a cargo's id. */
export function listedCargo(
  { metadata: { labels = {}, annotations = {}, creationTimestamp } }: Claim,
  prefix: string,
): ListedCargo | undefined {
  const label = (key: string): string | null => labels[`${prefix}.${key}`] ?? null;
  const id = label("cargo_id");
  if (id === null) return undefined;
  const record = readRecord(annotations[`${prefix}.record`]);
  const createdAt = Date.parse(creationTimestamp ?? "");
  return {
    id,
    managed: label("managed") === "true",
    owner: record.owner ?? label("owner"),
    sandboxId: label("sandbox_id"),
    profileId: record.profile_id ?? null,
    sizeLimitMb: record.size_limit_mb ?? null,
    origin: label("origin"),
    createdAt: Number.isNaN(createdAt) ? null : createdAt,
    marked: label(SET_ASIDE) !== null,
  };
}

/** What labels cannot hold as it is. */
interface CargoRecord {
  owner?: string;
  profile_id?: string;
  size_limit_mb?: number;
}

function recordOf({ owner, profileId, sizeLimitMb }: CargoVolume): string {
  return JSON.stringify({
    owner,
    ...(profileId === null ? {} : { profile_id: profileId }),
    size_limit_mb: sizeLimitMb,
  } satisfies CargoRecord);
}

function readRecord(text = "{}"): CargoRecord {
  try {
    const { owner, profile_id, size_limit_mb } = JSON.parse(text) as Record<string, unknown>;
    return {
      ...(typeof owner === "string" ? { owner } : {}),
      ...(typeof profile_id === "string" ? { profile_id } : {}),
      ...(Number.isSafeInteger(size_limit_mb) ? { size_limit_mb: size_limit_mb as number } : {}),
    };
  } catch {
    return {}; // somebody's own hand: the labels say the rest
  }
}

function sessionContainer(container: ContainerSpec, spec: SessionSpec, settings: ObjectSettings): object {
  const profileEnv = Object.entries(spec.shellEnv)
    .map(([name, value]) => `${name}=${value}`)
    .join(":");
  const env = {
    ...container.env,
    SHIP_TOKEN_SHA256: spec.verifier,
    BAY_SESSION_ID: spec.id,
    BAY_SANDBOX_ID: spec.sandboxId,
    BAY_WORKSPACE_PATH: "/workspace",
    ...(profileEnv ? { BAY_PROFILE_ENV: profileEnv } : {}),
    ...(spec.multi ? { BAY_CONTAINER_NAME: container.name } : {}),
  };
  return {
    name: container.name,
    image: container.image,
    imagePullPolicy: settings.pullPolicy,
    ports: [{ containerPort: container.port }],
    // Kubernetes expands $(NAME) in values; `$$` keeps the user's text as it is.
    env: Object.entries(env).map(([name, value]) => ({ name, value: value.replaceAll("$(", "$$$$(") })),
    resources: {
      limits: { ...quantities(container.resources), "ephemeral-storage": memoryQuantity(container.ephemeralStorage) },
      // Without a request it would be as large as the limit, and few sandboxes would fit on a node.
      requests: { ...quantities(container.requests), "ephemeral-storage": EPHEMERAL_REQUEST },
    },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    volumeMounts: [{ name: "workspace", mountPath: "/workspace" }],
  };
}

const quantities = ({ cpus, memory }: ContainerSpec["resources"]): object => ({
  cpu: cpuQuantity(cpus),
  memory: memoryQuantity(memory),
});
const cpuQuantity = (cpus: number): string => `${Math.max(1, Math.round(cpus * 1000))}m`;
