import type { SessionState } from "../store/store";

export const STATUSES = ["idle", "starting", "ready", "failed", "expired"] as const;
export type SandboxStatus = (typeof STATUSES)[number];

/** A sandbox's status by the state of its session, null when it has none, and whether its time is over. */
export function statusOf(state: SessionState | null, expired: boolean): SandboxStatus {
  if (expired) return "expired";
  if (state === "running") return "ready";
  if (state === "pending" || state === "starting") return "starting";
  return state === "failed" ? "failed" : "idle";
}
