/**
 * What the propagator's HTTP API takes and gives, in its own names. Of what it gives every field may be missing or
 * null, and more may come: versions differ.
 */

/** States of a checkpoint, in their order; `error` may follow each but the last. */
export const CHECKPOINT_STATES = [
  "initialized",
  "processing",
  "checkpoint_created",
  "ready",
  "error",
  "not_found",
] as const;

/** States of an action that are its end; every other one is still under way. */
export const DONE_STATES: readonly string[] = ["success", "completed", "ready"];
export const FAILED_STATES: readonly string[] = ["failed", "error"];

/** The kinds of action that this client starts. */
export type ActionType = "checkpoint_pod" | "restore_pod";

export interface Cluster {
  id: string;
  name?: string | null;
  /** Pods are known of `active` ones only. */
  status?: string | null;
  metadata?: unknown;
}

/** One requested operation. */
export interface Action {
  action_id: string;
  type?: string | null;
  status?: string | null;
  /** What a checkpoint made, or a restore used. */
  checkpoint_id?: string | null;
  action_timestamp?: string | null;
  checkpoint_completed_timestamp?: string | null;
  /** The original request; a local propagator adds what became of it. */
  details?: unknown;
  node_name?: string | null;
  platform?: string | null;
  /** Nanoseconds; a string of them in older versions. */
  total_duration?: number | string | null;
  reason?: string | null;
  checkpoint_status?: string | null;
  /** `sha256:` and hexadecimal digits. */
  checksum?: string | null;
  /** Bytes. */
  total_io?: number | null;
  cluster_id?: string | null;
}

/** An action with what is known of its checkpoint. */
export interface ActionDetails extends Action {
  checkpoint_info?: unknown;
  checkpoint_name?: string | null;
  /** Bytes. */
  checkpoint_size?: number | null;
  restore_path?: string | null;
}

/** A stored dump of one container. */
export interface Checkpoint {
  id: string;
  status?: string | null;
  platform?: string | null;
  info?: string | null;
  checksum?: string | null;
  image_name_with_tag?: string | null;
  // Only a local propagator gives these.
  pod_name?: string | null;
  pod_id?: string | null;
  namespace?: string | null;
  cluster_id?: string | null;
  node_name?: string | null;
  container_name?: string | null;
  action_id?: string | null;
  created_at?: string | null;
  /** Bytes. */
  size?: number | null;
  /** Microseconds for which the processes stood still. */
  freeze_microseconds?: number | null;
}

export interface CheckpointStatus {
  status: string;
  /** Why it failed. */
  details?: string | null;
}

/** What a checkpoint may say besides which pod it is of. */
interface CheckpointOptions {
  /** Folder of runc's states on the node. */
  runc_root?: string;
  kind?: "simple" | "rootfs" | "rootfsonly";
  reason?: "heartbeat" | "manual" | "maintenance";
  overrides?: Record<string, unknown>;
}

/** The pod by its UID, or by its name; both forms are in use. */
export type CheckpointRequest =
  | (CheckpointOptions & { pod_id: string; pod_name?: string; namespace?: string; cluster_id?: string })
  | (CheckpointOptions & { pod_name: string; namespace: string; cluster_id: string });

export interface RestoreRequest {
  /** The checkpoint's action, not the checkpoint. */
  action_id: string;
  /** Left out: the cluster of the checkpoint. */
  cluster_id?: string;
  /** Default `manual`. */
  reason?: string;
  overrides?: Record<string, unknown>;
}
