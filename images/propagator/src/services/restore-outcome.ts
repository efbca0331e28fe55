import { isReady, type Pod } from "../cluster/pod";
import { Failed } from "../errors";

/**
 * What the pod's condition says of its restore: done, a failure, or nothing yet.
 * @param wantReady false where the pod was not Ready at the checkpoint: then it need not be more now
 */
export function restoreOutcome(pod: Pod | undefined, wantReady = true): "done" | Failed | undefined {
  if (!pod) return new Failed("pod_gone", "the restored pod was deleted before it was ready");
  const { status } = pod;
  const container = status?.containerStatuses?.[0];
  if (status?.phase === "Failed" && !container?.state?.terminated)
    return new Failed(
      "pod_failed",
      `the node did not take the restored pod: ${[status.reason, status.message].filter(Boolean).join(": ")}`,
    );
  const { state, lastState, restartCount = 0 } = container ?? {};
  const ended = state?.terminated ?? lastState?.terminated;
  if (ended && ended.reason !== "StartError" && ended.exitCode === 0 && status?.phase === "Succeeded") return "done";
  if (ended)
    return (
      failureIn(ended.message) ??
      new Failed(
        "restored_process_ended",
        `the restored process ended with exit code ${ended.exitCode}${ended.reason ? ` (${ended.reason})` : ""}${ended.message ? `: ${ended.message}` : ""}`,
      )
    );
  if (restartCount > 0) return new Failed("restored_process_ended", "the restored container was started again");
  const { reason, message } = state?.waiting ?? {};
  if (reason !== undefined && !["ContainerCreating", "PodInitializing"].includes(reason))
    return failureIn(message) ?? new Failed("restore_failed", `${reason}: ${message ?? "no more is known"}`);
  return isReady(pod) || (!wantReady && state?.running) ? "done" : undefined;
}

/** Why a pod is not Ready yet, for the deadline. */
export function whyNotReady({ status }: Pod): string {
  const unmet =
    status?.conditions?.filter(
      ({ type, status: value }) => value !== "True" && ["PodScheduled", "ContainersReady", "Ready"].includes(type),
    ) ?? [];
  const scheduled = unmet.find(({ type }) => type === "PodScheduled");
  if (scheduled)
    return `it found no place on its node: ${scheduled.message ?? scheduled.reason ?? "no reason is given"}`;
  const state = status?.containerStatuses?.[0]?.state;
  if (state?.running) return "its process runs, but its readiness probe does not succeed";
  return state?.waiting?.reason ?? unmet[0]?.message ?? "it has no status yet";
}

/** What the node's runtime wrote: `runc-cr: restore of UUID: CODE: message; CRIU: lines`. */
export function failureIn(text: string | undefined): Failed | undefined {
  const found = /runc-cr: restore of [0-9a-f-]{36}: ([a-z_]+): ([\s\S]*)$/.exec(text ?? "");
  if (!found) return undefined;
  const [message, criu] = found[2]!.replace(/: unknown$/, "").split(/; CRIU: /, 2);
  return new Failed(
    found[1]!,
    message!.trim(),
    criu
      ? criu
          .split("\n")
          .map((line) => line.trim())
          .filter(Boolean)
      : [],
  );
}
