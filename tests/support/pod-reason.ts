import type { V1ContainerStatus, V1Pod } from "@kubernetes/client-node";

/** Why a pod does not serve. */
export interface PodReason {
  why: string;
  /** True when waiting cannot help: the pod has ended, or its image will never come. */
  hopeless: boolean;
}

/** Waiting reasons of a container that do not go away by themselves. */
const HOPELESS = new Set(["ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "ImageInspectError"]);

/**
 * Reads from a pod's status why it does not serve, or `undefined` when nothing in it speaks against serving.
 * @param pod the pod, or `undefined` when there is none of that name
 */
export function podReason(name: string, pod: V1Pod | undefined): PodReason | undefined {
  if (!pod) return { why: `pod ${name} is missing`, hopeless: false };
  if (pod.metadata?.deletionTimestamp) return { why: `pod ${name} is being deleted`, hopeless: false };
  const containers = (pod.status?.containerStatuses ?? [])
    .map(containerReason)
    .filter((reason) => reason !== undefined);
  const phase = pod.status?.phase ?? "Unknown";
  if (phase === "Failed" || phase === "Succeeded") {
    const what = pod.status?.reason ?? containers.map(({ why }) => why).join(", ");
    return { why: `pod ${name} has ended (${phase}${what ? `: ${what}` : ""})`, hopeless: true };
  }
  if (containers.length > 0) {
    return {
      why: `pod ${name} is ${phase}: ${containers.map(({ why }) => why).join(", ")}`,
      hopeless: containers.some(({ hopeless }) => hopeless),
    };
  }
  if (phase === "Running") return undefined;
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === "PodScheduled" && status === "False");
  return {
    why: `pod ${name} is ${phase}${unscheduled ? `: ${unscheduled.reason}: ${unscheduled.message}` : ""}`,
    hopeless: false,
  };
}

function containerReason({ name, state, lastState, restartCount }: V1ContainerStatus): PodReason | undefined {
  const ended = state?.terminated ?? lastState?.terminated;
  const exit = ended ? `exit code ${ended.exitCode}${ended.reason ? ` (${ended.reason})` : ""}` : undefined;
  if (state?.running) return undefined;
  if (state?.terminated) return { why: `container ${name} ended with ${exit}`, hopeless: false };
  const reason = state?.waiting?.reason ?? "waiting";
  const message = state?.waiting?.message ? `: ${state.waiting.message}` : "";
  const crashed = exit && restartCount > 0 ? `; it ended ${restartCount} times, last with ${exit}` : "";
  return { why: `container ${name} waits, ${reason}${message}${crashed}`, hopeless: HOPELESS.has(reason) };
}
