/** A pod: scheduled, initialized, ready; or done, when it is one that ends. */
import type { Value, ValueMap } from "../../rpc/values";
import { at, listAt, nameOf, namespaceOf, numberAt, textAt } from "../objects";
import { condition, shown } from "./conditions";
import { READY, waiting, type Awaiter, type LogSource, type Verdict } from "./verdict";

/** Reasons of a waiting container that do not pass by themselves, with the milliseconds they get to prove it. */
const HOPELESS_REASONS: Record<string, number> = {
  InvalidImageName: 0,
  ErrImageNeverPull: 0,
  // The kubelet has failed to pull and pauses. A registry may have hiccuped once, so a second pause must follow.
  ImagePullBackOff: 15_000,
  ErrImagePull: 30_000,
  CrashLoopBackOff: 0,
  // The ConfigMap or Secret that is missing may be the next object that the program makes.
  CreateContainerConfigError: 15_000,
  CreateContainerError: 15_000,
  RunContainerError: 15_000,
};

/** The verdict on one pod. */
export function podVerdict(pod: ValueMap): Verdict {
  const name = shown(pod);
  const phase = textAt(pod, "status", "phase");
  if (phase === "Succeeded") return READY;
  const problems = containerProblems(pod);
  const details = problems.length > 0 ? [`[Pod ${name}]: ${problemText(pod, problems)}`] : [];
  if (phase === "Failed") {
    return {
      state: "hopeless",
      message: `Pod "${name}" failed`,
      details: details.length > 0 ? details : [`[Pod ${name}]: ${failureText(pod)}`],
      logs: problems.flatMap(({ logs }) => logs),
    };
  }
  const hopeless = problems.filter(({ graceMs }) => graceMs !== undefined);
  if (hopeless.length > 0) {
    const graceMs = Math.min(...hopeless.map((problem) => problem.graceMs ?? 0));
    return {
      state: "hopeless",
      message: `a container of Pod "${name}" cannot run`,
      details,
      graceMs,
      logs: hopeless.flatMap(({ logs }) => logs),
    };
  }
  const scheduled = condition(pod, "PodScheduled");
  if (scheduled.status !== "True") {
    return waiting(
      `Waiting for Pod "${name}" to be scheduled`,
      scheduled.message === "" ? [] : [`[Pod ${name}]: ${scheduled.reason}: ${scheduled.message}`],
    );
  }
  if (condition(pod, "Initialized").status !== "True")
    return waiting(`Waiting for Pod "${name}" to be initialized`, details);
  const ready = condition(pod, "Ready");
  if (ready.status === "True" || (ready.reason === "PodCompleted" && phase !== "Pending")) return READY;
  const why = details.length > 0 || ready.message === "" ? details : [`[Pod ${name}]: ${ready.message}`];
  return waiting(`Waiting for Pod "${name}" to be ready`, why);
}

export const podAwaiter: Awaiter = { timeoutMs: 600_000, evaluate: podVerdict };

interface Problem {
  container: string;
  text: string;
  graceMs: number | undefined;
  logs: LogSource[];
}

function containerProblems(pod: ValueMap): Problem[] {
  const statuses = [...listAt(pod, "status", "initContainerStatuses"), ...listAt(pod, "status", "containerStatuses")];
  return statuses.flatMap((status) => containerProblem(pod, status) ?? []);
}

function containerProblem(pod: ValueMap, status: Value): Problem | undefined {
  const name = textAt(status, "name");
  const reason = textAt(status, "state", "waiting", "reason");
  const log = (previous: boolean): LogSource[] => [
    { namespace: namespaceOf(pod), pod: nameOf(pod), container: name, previous },
  ];
  if (reason !== "" && reason !== "ContainerCreating" && reason !== "PodInitializing") {
    const crashed = reason === "CrashLoopBackOff";
    const last = crashed ? exitText(at(status, "lastState", "terminated")) : "";
    return {
      container: name,
      text: `[${reason}] ${textAt(status, "state", "waiting", "message")}${last}`,
      graceMs: HOPELESS_REASONS[reason],
      logs: crashed ? log(true) : [],
    };
  }
  const exitCode = numberAt(status, "state", "terminated", "exitCode");
  if (exitCode === undefined || exitCode === 0) return undefined;
  return {
    container: name,
    text: `[${textAt(status, "state", "terminated", "reason") || "Error"}]${exitText(at(status, "state", "terminated"))}`,
    graceMs: undefined,
    logs: log(false),
  };
}

function exitText(terminated: Value | undefined): string {
  const code = numberAt(terminated, "exitCode");
  const message = textAt(terminated, "message").trim();
  return code === undefined ? "" : ` (last exit code ${code}${message === "" ? "" : `: ${message}`})`;
}

/** The kubelet's own words end in the list of containers, so the only one in it is not named again. */
function problemText(pod: ValueMap, problems: Problem[]): string {
  const { message } = condition(pod, "Ready");
  const [only, ...others] = problems;
  if (only && others.length === 0 && message.endsWith(`[${only.container}]`)) return `${message}${only.text}`;
  return [...(message === "" ? [] : [message]), ...problems.map(({ container, text }) => `[${container}]${text}`)].join(
    " ",
  );
}

function failureText(pod: ValueMap): string {
  return (
    [textAt(pod, "status", "reason"), textAt(pod, "status", "message")].filter((text) => text !== "").join(": ") ||
    "the pod failed"
  );
}
