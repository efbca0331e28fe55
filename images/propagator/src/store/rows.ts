import type { Pod } from "../cluster/pod";

/** A registered cluster; one of them is `own`, the one that the propagator runs in. */
export interface ClusterRow {
  id: string;
  name: string;
  kind: "kubernetes" | "slurm";
  own: boolean;
  createdAt: number;
}

export type ActionType = "checkpoint_pod" | "restore_pod";
/** `ready` ends a checkpoint well, `completed` a restore, `error` either. */
export type ActionStatus = "initialized" | "processing" | "checkpoint_created" | "ready" | "completed" | "error";

/** Why an action failed. */
export interface FailureRow {
  code: string;
  message: string;
  criu: readonly string[];
}

export interface ActionRow {
  id: string;
  type: ActionType;
  status: ActionStatus;
  clusterId: string;
  /** What it makes, or what it is restored from. */
  checkpointId: string;
  namespace: string;
  /** Of a restore the restored pod, whose name is chosen before the pod is made. */
  podName: string;
  /** Null until the restored pod is there. */
  podId: string | null;
  nodeName: string;
  reason: string;
  /** As the client sent it. */
  request: Record<string, unknown>;
  failure: FailureRow | null;
  createdAt: number;
  endedAt: number | null;
}

export type CheckpointState = "initialized" | "processing" | "checkpoint_created" | "ready" | "error";

export interface CheckpointRow {
  id: string;
  actionId: string;
  clusterId: string;
  status: CheckpointState;
  namespace: string;
  podName: string;
  podId: string;
  nodeName: string;
  containerName: string;
  /** Without `containerd://`. */
  containerId: string;
  image: string;
  /** The pod as it was. May hold secrets in its variables: never shown. */
  pod: Pod;
  bytes: number | null;
  memoryBytes: number | null;
  rootfsBytes: number | null;
  /** Of volumes that live and die with the pod. */
  volumeBytes: number | null;
  freezeUs: number | null;
  dumpUs: number | null;
  /** `sha256:` and digits. */
  checksum: string | null;
  info: string | null;
  createdAt: number;
  /** When its files were removed. */
  deprecatedAt: number | null;
  deprecatedWhy: string | null;
}

/** Files that are to be removed from a node, as soon as its agent can be asked. */
export interface RemovalRow {
  id: string;
  nodeName: string;
  askedAt: number;
}
