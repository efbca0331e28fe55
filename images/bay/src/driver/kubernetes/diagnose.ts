import type { DriverFailure } from "../driver";
import type { ContainerStatus, Pod } from "./objects";

/** What a pod's status says about a session. */
export type Diagnosis =
  | { state: "ready"; ip: string } // has an address; whether the runtime answers is asked next
  | { state: "waiting"; reason: string; unschedulable?: string }
  | { state: "failed"; failure: DriverFailure; message: string };

/** Reasons of a waiting container that do not pass by themselves. */
const HOPELESS: Record<string, DriverFailure> = {
  ErrImageNeverPull: "image",
  ErrImagePull: "image",
  ImagePullBackOff: "image",
  InvalidImageName: "image",
  ImageInspectError: "image",
  RegistryUnavailable: "image",
  SignatureValidationFailed: "image",
  ImageVolumeMountFailed: "image",
  CreateContainerConfigError: "config",
  CreateContainerError: "config",
  RunContainerError: "config",
};

/** Reads a pod's status; `undefined` is a pod that does not exist. */
export function diagnose(pod: Pod | undefined): Diagnosis {
  if (!pod) return { state: "failed", failure: "gone", message: "the pod does not exist" };
  if (pod.metadata.deletionTimestamp) return { state: "failed", failure: "gone", message: "the pod is being deleted" };
  const { phase, reason, message, podIP, conditions = [], containerStatuses = [] } = pod.status ?? {};
  for (const container of containerStatuses) {
    const problem = problemOf(container);
    if (problem) return problem;
  }
  if (phase === "Failed" || phase === "Succeeded") {
    return {
      state: "failed",
      failure: endOf(reason),
      message: `the pod ended: ${[reason, message].filter(Boolean).join(": ") || phase}`,
    };
  }
  if (reason === "NodeLost" || phase === "Unknown")
    return {
      state: "failed",
      failure: "gone",
      message: `the pod's node does not answer${message ? `: ${message}` : ""}`,
    };
  if (podIP) return { state: "ready", ip: podIP };
  const scheduled = conditions.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") {
    return {
      state: "waiting",
      reason: `not scheduled: ${scheduled.message ?? scheduled.reason ?? "no reason given"}`,
      unschedulable: scheduled.message ?? "no node takes the pod",
    };
  }
  const waiting = containerStatuses.find(({ state }) => state?.waiting)?.state?.waiting;
  return { state: "waiting", reason: waiting?.reason ?? phase ?? "not seen yet" };
}

/** Why a whole pod ended, by the reason that the kubelet or a controller gave. */
function endOf(reason = ""): DriverFailure {
  if (["Evicted", "Preempting", "Shutdown", "NodeShutdown", "Terminated"].includes(reason)) return "evicted";
  return reason.startsWith("OutOf") || reason === "NodeAffinity" || reason === "UnexpectedAdmissionError"
    ? "unschedulable"
    : "crashed";
}

function problemOf({ name, state }: ContainerStatus): Diagnosis | undefined {
  const ended = state?.terminated;
  if (ended) {
    const oom = ended.reason === "OOMKilled";
    const what = oom
      ? "ran out of memory and was killed"
      : `ended with exit code ${ended.exitCode}${ended.reason ? ` (${ended.reason})` : ""}`;
    return {
      state: "failed",
      failure: oom ? "oom" : "crashed",
      message: `container "${name}" ${what}${ended.message ? `: ${ended.message}` : ""}`,
    };
  }
  const { reason, message } = state?.waiting ?? {};
  const failure = reason === undefined ? undefined : HOPELESS[reason];
  return failure
    ? {
        state: "failed",
        failure,
        message: `container "${name}" cannot start: ${reason}${message ? `: ${message}` : ""}`,
      }
    : undefined;
}
