/** Deployment, DaemonSet, StatefulSet and Job: enough of their pods in the newest version. */
import type { ValueMap } from "../../rpc/values";
import { at, mapAt, namespaceOf, nameOf, numberAt, textAt } from "../objects";
import { condition, isObserved, ownedBy, selectorText, shown } from "./conditions";
import { podVerdict } from "./pod";
import { READY, waiting, type Awaiter, type Related, type Verdict } from "./verdict";

/** A Deployment: every replica updated and available, and the roll-out complete. */
export const deploymentAwaiter: Awaiter = {
  timeoutMs: 600_000,
  related: (live) => ({ pods: selected(live, "v1", "Pod"), replicaSets: selected(live, "apps/v1", "ReplicaSet") }),
  evaluate: (live, { pods = [], replicaSets = [] }) => {
    const wanted = numberAt(live, "spec", "replicas") ?? 1;
    const count = (field: string): number => numberAt(live, "status", field) ?? 0;
    const progressing = condition(live, "Progressing");
    const available = condition(live, "Available");
    const rolledOut =
      at(live, "spec", "paused") === true ||
      progressing.status === "" ||
      progressing.reason === "NewReplicaSetAvailable";
    if (
      isObserved(live) &&
      count("updatedReplicas") >= wanted &&
      count("replicas") <= count("updatedReplicas") &&
      count("availableReplicas") >= wanted &&
      rolledOut
    )
      return READY;
    const revision = textAt(live, "metadata", "annotations", "deployment.kubernetes.io/revision");
    const current = ownedBy(replicaSets, live).find(
      (set) => textAt(set, "metadata", "annotations", "deployment.kubernetes.io/revision") === revision,
    );
    const details = [
      ...(available.status === "False" ? [`[${available.reason}] ${available.message}`] : []),
      ...(progressing.status === "False" ? [`[${progressing.reason}] ${progressing.message}`] : []),
      ...(available.status === "False" ? ["Minimum number of live Pods was not attained"] : []),
    ];
    const message = `Waiting for app ReplicaSet to be available (${count("availableReplicas")}/${wanted} Pods available)`;
    const verdict = judge(message, details, current ? ownedBy(pods, current) : []);
    if (verdict.state === "waiting" && progressing.reason === "ProgressDeadlineExceeded" && isObserved(live))
      return { ...verdict, state: "hopeless", message: "its roll-out made no progress within progressDeadlineSeconds" };
    return verdict;
  },
};

/** A DaemonSet: the newest version available on every node that wants it. */
export const daemonSetAwaiter: Awaiter = {
  timeoutMs: 600_000,
  related: (live) => ({ pods: selected(live, "v1", "Pod") }),
  evaluate: (live, { pods = [] }) => {
    const count = (field: string): number => numberAt(live, "status", field) ?? 0;
    const wanted = count("desiredNumberScheduled");
    const onDelete = textAt(live, "spec", "updateStrategy", "type") === "OnDelete";
    if (
      isObserved(live) &&
      (onDelete || count("updatedNumberScheduled") >= wanted) &&
      count("numberAvailable") >= wanted
    )
      return READY;
    return judge(
      `Waiting for DaemonSet "${shown(live)}" to be available (${count("numberAvailable")}/${wanted} Pods available)`,
      [],
      ownedBy(pods, live),
    );
  },
};

/** A StatefulSet: every replica ready and, unless it updates on delete or in part, in the newest version. */
export const statefulSetAwaiter: Awaiter = {
  timeoutMs: 300_000,
  related: (live) => ({ pods: selected(live, "v1", "Pod") }),
  evaluate: (live, { pods = [] }) => {
    const wanted = numberAt(live, "spec", "replicas") ?? 1;
    const count = (field: string): number => numberAt(live, "status", field) ?? 0;
    const partition = numberAt(live, "spec", "updateStrategy", "rollingUpdate", "partition") ?? 0;
    const updates = textAt(live, "spec", "updateStrategy", "type") !== "OnDelete";
    const updated =
      !updates ||
      textAt(live, "status", "currentRevision") === textAt(live, "status", "updateRevision") ||
      count("updatedReplicas") >= wanted - partition;
    if (isObserved(live) && count("readyReplicas") >= wanted && updated) return READY;
    return judge(
      `Waiting for StatefulSet "${shown(live)}" to be ready (${count("readyReplicas")}/${wanted} Pods ready)`,
      [],
      ownedBy(pods, live),
    );
  },
};

/** A Job: complete. */
export const jobAwaiter: Awaiter = {
  timeoutMs: 600_000,
  related: (live) => ({
    pods: {
      apiVersion: "v1",
      kind: "Pod",
      namespace: namespaceOf(live),
      labelSelector: `batch.kubernetes.io/job-name=${nameOf(live)}`,
    },
  }),
  evaluate: (live, { pods = [] }) => {
    if (condition(live, "Complete").status === "True") return READY;
    if (at(live, "spec", "suspend") === true) return READY;
    const failed = condition(live, "Failed");
    const verdict = judge(
      `Waiting for Job "${shown(live)}" to succeed (${numberAt(live, "status", "active") ?? 0} Pods active)`,
      [],
      ownedBy(pods, live),
    );
    if (failed.status !== "True") return verdict;
    const logs = ownedBy(pods, live)
      .map(podVerdict)
      .flatMap((pod) => (pod.state === "hopeless" ? (pod.logs ?? []) : []))
      .slice(-1);
    return {
      state: "hopeless",
      message: `Job "${shown(live)}" failed`,
      details: [`[${failed.reason}] ${failed.message}`, ...(verdict.state === "ready" ? [] : verdict.details)],
      logs,
    };
  },
};

function selected(live: ValueMap, apiVersion: string, kind: string): Related {
  return {
    apiVersion,
    kind,
    namespace: namespaceOf(live),
    labelSelector: selectorText(mapAt(live, "spec", "selector")),
  };
}

/** Waiting, or hopeless when a pod is; a Job replaces its failed pods, so those say nothing yet. */
function judge(message: string, details: string[], pods: ValueMap[]): Verdict {
  const living = pods.filter(
    (pod) => textAt(pod, "metadata", "deletionTimestamp") === "" && textAt(pod, "status", "phase") !== "Failed",
  );
  const verdicts = living.map(podVerdict);
  const all = [...details, ...verdicts.flatMap((verdict) => (verdict.state === "ready" ? [] : verdict.details))];
  const hopeless = verdicts.filter((verdict) => verdict.state === "hopeless");
  const [first] = hopeless;
  if (!first) return waiting(message, all);
  const graceMs = Math.min(...hopeless.map((verdict) => verdict.graceMs ?? 0));
  return {
    state: "hopeless",
    message: first.message,
    details: all,
    graceMs,
    ...(first.logs ? { logs: first.logs.slice(0, 1) } : {}),
  };
}
