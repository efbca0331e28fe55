import type { ActionRow, CheckpointRow, ClusterRow, FailureRow } from "../store/rows";

type CheckpointFigures = Omit<CheckpointRow, "pod">;

/** What answers hold, in the contract's names; names that the contract lacks are added at the end. */

const PLATFORM = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;

export function clusterShape({ id, name, kind, own, createdAt }: ClusterRow): object {
  return { id, name, status: "active", metadata: null, kind, own, created_at: time(createdAt) };
}

/** @param checkpoint nothing where its cluster was deregistered */
export function actionShape(row: ActionRow, checkpoint: CheckpointFigures | undefined): object {
  const { id, type, status, checkpointId, createdAt, endedAt, nodeName, reason, clusterId } = row;
  const checkpointEnd = type === "checkpoint_pod" ? endedAt : null;
  return {
    action_id: id,
    type,
    status,
    checkpoint_id: checkpointId,
    action_timestamp: time(createdAt),
    checkpoint_completed_timestamp: time(checkpointEnd),
    details: details(row),
    gpu: null,
    node_name: nodeName,
    platform: PLATFORM,
    total_duration: endedAt === null ? null : finite(Math.round((endedAt - createdAt) * 1e6)),
    reason,
    checkpoint_status: checkpoint?.status ?? null,
    checkpoint_name: null,
    checksum: checkpoint?.checksum ?? null,
    delta: false,
    parent_checkpoint_id: null,
    total_io: checkpoint?.bytes ?? null,
    workload_kind: "pod",
    cluster_id: clusterId,
  };
}

export function actionDetailsShape(row: ActionRow, checkpoint: CheckpointFigures | undefined): object {
  return {
    ...actionShape(row, checkpoint),
    checkpoint_info: checkpoint ? figures(checkpoint) : null,
    checkpoint_size: checkpoint?.bytes ?? null,
    restore_path: null,
  };
}

export function checkpointShape(row: CheckpointFigures): object {
  const {
    id,
    actionId,
    status,
    podName,
    podId,
    namespace,
    clusterId,
    nodeName,
    containerName,
    createdAt,
    deprecatedAt,
    deprecatedWhy,
    checksum,
    info,
  } = row;
  return {
    id,
    status: deprecatedAt === null ? status : "deprecated",
    platform: PLATFORM,
    gpu: null,
    info: info ?? deprecatedWhy,
    checksum,
    image_name_with_tag: null,
    pod_name: podName,
    pod_id: podId,
    namespace,
    cluster_id: clusterId,
    node_name: nodeName,
    container_name: containerName,
    action_id: actionId,
    created_at: time(createdAt),
    deprecated_at: time(deprecatedAt),
    size: row.bytes,
    memory_size: row.memoryBytes,
    rootfs_size: row.rootfsBytes,
    volume_size: row.volumeBytes,
    freeze_microseconds: row.freezeUs,
    dump_microseconds: row.dumpUs,
  };
}

/** Why an action failed, in one line, with CRIU's last words. */
export function failureText({ code, message, criu }: FailureRow): string {
  return `${code}: ${message}${criu?.length > 0 ? `; CRIU: ${criu.join("; ")}` : ""}`;
}

/** The original request, and what became of it. */
function details({ request, failure, type, namespace, podName, podId }: ActionRow): object {
  const pod = { name: podName, namespace, uid: podId };
  return {
    ...request,
    ...(type === "restore_pod" ? { restored_pod: pod } : { pod }),
    ...(failure ? { error: failureText(failure), error_code: failure.code, criu: failure.criu } : {}),
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function figures({
  containerName,
  image,
  bytes,
  memoryBytes,
  rootfsBytes,
  volumeBytes,
  freezeUs,
  dumpUs,
  deprecatedAt,
  deprecatedWhy,
}: CheckpointFigures): object {
  return {
    container: containerName,
    image,
    size: bytes,
    memory_size: memoryBytes,
    rootfs_size: rootfsBytes,
    volume_size: volumeBytes,
    freeze_microseconds: freezeUs,
    dump_microseconds: dumpUs,
    ...(deprecatedAt === null ? {} : { deprecated_at: time(deprecatedAt), deprecated_why: deprecatedWhy }),
  };
}

/** A number that is no date is shown as none. */
function time(ms: number | null): string | null {
  const date = new Date(ms ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
