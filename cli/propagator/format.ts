import { bytes, table } from "../table";
import { factsOfAction } from "./filters";
import type { Action, Checkpoint, Cluster } from "./types";

/** What stands where the propagator said nothing. */
const GAP = "N/A";

/** Checkpoints for people, in the order given. @param width characters of a line, default the terminal's */
export function checkpointTable(checkpoints: readonly Checkpoint[], width?: number): string {
  if (checkpoints.length === 0) return "No checkpoints found.";
  const rows = checkpoints.map((row) => [
    row.id,
    row.status,
    row.pod_name,
    row.namespace,
    size(row.size),
    row.freeze_microseconds == null ? undefined : `${Math.round(row.freeze_microseconds / 1000)} ms`,
    time(row.created_at),
    row.cluster_id,
  ]);
  return laidOut(
    [
      { title: "checkpoint", min: 36 },
      { title: "status" },
      { title: "pod", min: 16 },
      { title: "namespace", min: 9 },
      { title: "size", min: 8 },
      { title: "stood still", min: 8 },
      { title: "created", min: 10 },
      { title: "cluster", min: 18 },
    ],
    rows,
    width,
  );
}

export function actionTable(actions: readonly Action[], width?: number): string {
  if (actions.length === 0) return "No actions found.";
  const rows = actions.map((action) => {
    const { pod, namespace } = factsOfAction(action);
    return [
      action.action_id,
      action.type?.replace(/_pod$/, ""),
      action.status,
      namespace && pod ? `${namespace}/${pod}` : pod,
      duration(action.total_duration),
      time(action.action_timestamp),
      errorOf(action) ?? action.checkpoint_id,
    ];
  });
  return laidOut(
    [
      { title: "action", min: 36 },
      { title: "type", min: 10 },
      { title: "status" },
      { title: "pod" },
      { title: "took", min: 6 },
      { title: "started" },
      { title: "checkpoint, or why it failed", min: 36 },
    ],
    rows,
    width,
  );
}

export function clusterTable(clusters: readonly Cluster[], width?: number): string {
  if (clusters.length === 0) return "No clusters found.";
  return laidOut(
    [{ title: "cluster", min: 36 }, { title: "name" }, { title: "status" }],
    clusters.map(({ id, name, status }) => [id, name, status]),
    width,
  );
}

function laidOut(
  columns: { title: string; min?: number }[],
  rows: (string | null | undefined)[][],
  width: number | undefined,
): string {
  return table(
    columns,
    rows.map((row) => row.map((cell) => cell || GAP)),
    width,
  );
}

function size(count: number | null | undefined): string | undefined {
  return count == null ? undefined : bytes(count);
}

/** `2026-11-22 12:00:07Z` */
function time(iso: string | null | undefined): string | undefined {
  return iso?.replace(/\.\d+Z$/, "Z").replace("T", " ");
}

/** Nanoseconds, as a number or a string of them. */
function duration(nanoseconds: number | string | null | undefined): string | undefined {
  const seconds = nanoseconds == null || nanoseconds === "" ? NaN : Number(nanoseconds) / 1e9;
  return Number.isNaN(seconds) ? undefined : `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
}

function errorOf({ details }: Action): string | undefined {
  const error = typeof details === "object" && details !== null ? (details as { error?: unknown }).error : undefined;
  return typeof error === "string" ? error : undefined;
}
