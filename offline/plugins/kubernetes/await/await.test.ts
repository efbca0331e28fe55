import type { ValueMap } from "../../rpc/values";
import { awaiterOf } from ".";
import { claimAwaiter, serviceAwaiter } from "./others";
import { podVerdict } from "./pod";
import type { Verdict } from "./verdict";
import { daemonSetAwaiter, deploymentAwaiter, jobAwaiter, statefulSetAwaiter } from "./workloads";

type Conditions = Record<string, string | [status: string, reason: string, message: string]>;
const conditions = (table: Conditions): ValueMap[] =>
  Object.entries(table).map(([type, value]) => {
    const [status, reason, message] = typeof value === "string" ? [value, "", ""] : value;
    return { type, status, reason, message };
  });
const pod = (status: ValueMap, metadata: ValueMap = {}): ValueMap => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "n", ...metadata },
  status,
});
const UP = { PodScheduled: "True", Initialized: "True" };
const waitingContainer = (reason: string, message = "", more: ValueMap = {}): ValueMap => ({
  name: "c",
  state: { waiting: { reason, message } },
  ...more,
});
const stuck = (reason: string, message?: string, more?: ValueMap): ValueMap =>
  pod({
    phase: "Pending",
    conditions: conditions({ ...UP, Ready: ["False", "ContainersNotReady", "containers with unready status: [c]"] }),
    containerStatuses: [waitingContainer(reason, message, more)],
  });

const outcome = (verdict: Verdict): string =>
  verdict.state === "waiting" ? `waiting: ${verdict.message}` : verdict.state;

describe("a pod", () => {
  it.each<[string, ValueMap, string]>([
    ["is new", pod({ phase: "Pending" }), 'waiting: Waiting for Pod "n/p" to be scheduled'],
    [
      "is scheduled",
      pod({ phase: "Pending", conditions: conditions({ PodScheduled: "True", Initialized: "False" }) }),
      'waiting: Waiting for Pod "n/p" to be initialized',
    ],
    [
      "is initialized",
      pod({ phase: "Running", conditions: conditions({ ...UP, Ready: "False" }) }),
      'waiting: Waiting for Pod "n/p" to be ready',
    ],
    ["is ready", pod({ phase: "Running", conditions: conditions({ ...UP, Ready: "True" }) }), "ready"],
    ["has done its work", pod({ phase: "Succeeded" }), "ready"],
    ["has failed", pod({ phase: "Failed", reason: "Evicted", message: "no memory" }), "hopeless"],
    ["starts its containers", stuck("ContainerCreating"), 'waiting: Waiting for Pod "n/p" to be ready'],
    ["has no image and may not pull", stuck("ErrImageNeverPull"), "hopeless"],
    ["names no valid image", stuck("InvalidImageName"), "hopeless"],
    ["cannot pull", stuck("ImagePullBackOff"), "hopeless"],
    ["crashes again and again", stuck("CrashLoopBackOff"), "hopeless"],
    ["lacks its config", stuck("CreateContainerConfigError"), "hopeless"],
  ])("that %s", (_what, object, expected) => {
    expect(outcome(podVerdict(object))).toBe(expected);
  });

  it.each([
    ["ErrImageNeverPull", 0],
    ["InvalidImageName", 0],
    ["CrashLoopBackOff", 0],
  ])("with %s is given up at once", (reason, graceMs) => {
    expect(podVerdict(stuck(reason))).toMatchObject({ state: "hopeless", graceMs });
  });

  it.each(["CreateContainerConfigError", "ImagePullBackOff", "ErrImagePull"])(
    "with %s gets time, because it may pass",
    (reason) => {
      const verdict = podVerdict(stuck(reason));
      expect(verdict.state === "hopeless" && (verdict.graceMs ?? 0) > 0).toBe(true);
    },
  );

  it("says why as the kubelet does", () => {
    expect(
      podVerdict(stuck("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never')),
    ).toMatchObject({
      details: [
        '[Pod n/p]: containers with unready status: [c][ErrImageNeverPull] Container image "x" is not present with pull policy of Never',
      ],
    });
  });

  it("that crashed brings its exit code and asks for the log of the run before", () => {
    expect(
      podVerdict(stuck("CrashLoopBackOff", "back-off", { lastState: { terminated: { exitCode: 3 } } })),
    ).toMatchObject({
      details: [expect.stringContaining("last exit code 3")],
      logs: [{ namespace: "n", pod: "p", container: "c", previous: true }],
    });
  });

  it("that no node takes says so at the deadline", () => {
    expect(
      podVerdict(
        pod({ phase: "Pending", conditions: conditions({ PodScheduled: ["False", "Unschedulable", "0/1 nodes"] }) }),
      ),
    ).toMatchObject({ state: "waiting", details: ["[Pod n/p]: Unschedulable: 0/1 nodes"] });
  });
});

describe("a deployment", () => {
  const deployment = (
    status: ValueMap,
    table: Conditions = { Progressing: ["True", "NewReplicaSetAvailable", ""] },
  ): ValueMap => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: "d",
      namespace: "n",
      uid: "d1",
      generation: 2,
      annotations: { "deployment.kubernetes.io/revision": "2" },
    },
    spec: { replicas: 2, selector: { matchLabels: { app: "d" } } },
    status: { observedGeneration: 2, conditions: conditions(table), ...status },
  });
  const full = { updatedReplicas: 2, replicas: 2, availableReplicas: 2 };
  const replicaSet = (uid: string, revision: string): ValueMap => ({
    metadata: {
      name: uid,
      uid,
      ownerReferences: [{ uid: "d1" }],
      annotations: { "deployment.kubernetes.io/revision": revision },
    },
  });
  const podOf = (owner: string): ValueMap => ({
    ...stuck("ErrImageNeverPull"),
    metadata: { name: "p", namespace: "n", ownerReferences: [{ uid: owner }] },
  });

  it.each<[string, ValueMap, string]>([
    ["complete", deployment(full), "ready"],
    [
      "not seen by its controller",
      deployment({ ...full, observedGeneration: 1 }),
      "waiting: Waiting for app ReplicaSet to be available (2/2 Pods available)",
    ],
    [
      "half available",
      deployment({ ...full, availableReplicas: 1 }),
      "waiting: Waiting for app ReplicaSet to be available (1/2 Pods available)",
    ],
    [
      "with a pod of the old version",
      deployment({ ...full, replicas: 3 }),
      "waiting: Waiting for app ReplicaSet to be available (2/2 Pods available)",
    ],
    [
      "over its deadline",
      deployment({ updatedReplicas: 2 }, { Progressing: ["False", "ProgressDeadlineExceeded", "timed out"] }),
      "hopeless",
    ],
  ])("that is %s", (_what, object, expected) => {
    expect(outcome(deploymentAwaiter.evaluate(object, {}))).toBe(expected);
  });

  it("is hopeless when a pod of its newest version is", () => {
    const verdict = deploymentAwaiter.evaluate(
      deployment({}, { Available: ["False", "MinimumReplicasUnavailable", "no minimum"] }),
      { replicaSets: [replicaSet("r1", "1"), replicaSet("r2", "2")], pods: [podOf("r2")] },
    );
    expect(verdict).toMatchObject({
      state: "hopeless",
      details: [
        "[MinimumReplicasUnavailable] no minimum",
        "Minimum number of live Pods was not attained",
        expect.stringContaining("ErrImageNeverPull"),
      ],
    });
  });

  it("does not mind a hopeless pod of an older version", () => {
    expect(
      deploymentAwaiter.evaluate(deployment({}), {
        replicaSets: [replicaSet("r1", "1"), replicaSet("r2", "2")],
        pods: [podOf("r1")],
      }).state,
    ).toBe("waiting");
  });
});

describe("other workloads", () => {
  const workload = (kind: string, spec: ValueMap, status: ValueMap): ValueMap => ({
    kind,
    metadata: { name: "w", namespace: "n", generation: 1 },
    spec,
    status: { observedGeneration: 1, ...status },
  });

  it.each<[string, ValueMap, string]>([
    ["on every node", { desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 }, "ready"],
    ["on one node of two", { desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 }, "waiting"],
    ["in the old version", { desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberAvailable: 2 }, "waiting"],
  ])("a daemon set %s", (_what, status, expected) => {
    expect(daemonSetAwaiter.evaluate(workload("DaemonSet", {}, status), {}).state).toBe(expected);
  });

  it.each<[string, ValueMap, string]>([
    ["ready", { readyReplicas: 2, currentRevision: "b", updateRevision: "b" }, "ready"],
    ["half ready", { readyReplicas: 1, currentRevision: "b", updateRevision: "b" }, "waiting"],
    [
      "in the old version",
      { readyReplicas: 2, currentRevision: "a", updateRevision: "b", updatedReplicas: 1 },
      "waiting",
    ],
  ])("a stateful set that is %s", (_what, status, expected) => {
    expect(statefulSetAwaiter.evaluate(workload("StatefulSet", { replicas: 2 }, status), {}).state).toBe(expected);
  });

  it.each<[string, Conditions, string]>([
    ["complete", { Complete: "True" }, "ready"],
    ["at work", {}, "waiting"],
    ["failed", { Failed: ["True", "BackoffLimitExceeded", "too often"] }, "hopeless"],
  ])("a job that is %s", (_what, table, expected) => {
    expect(jobAwaiter.evaluate(workload("Job", {}, { conditions: conditions(table) }), {}).state).toBe(expected);
  });
});

describe("claims and services", () => {
  const claim = (phase: string): ValueMap => ({
    kind: "PersistentVolumeClaim",
    metadata: { name: "c", namespace: "n" },
    spec: { storageClassName: "s" },
    status: { phase },
  });
  it.each<[string, string, ValueMap[], string]>([
    ["bound", "Bound", [], "ready"],
    ["pending", "Pending", [{ volumeBindingMode: "Immediate" }], "waiting"],
    ["pending until somebody uses it", "Pending", [{ volumeBindingMode: "WaitForFirstConsumer" }], "ready"],
    ["without its class", "Pending", [], "waiting"],
    ["lost", "Lost", [], "hopeless"],
  ])("a claim that is %s", (_what, phase, classes, expected) => {
    expect(claimAwaiter.evaluate(claim(phase), { classes }).state).toBe(expected);
  });

  const service = (spec: ValueMap): ValueMap => ({ kind: "Service", metadata: { name: "s", namespace: "n" }, spec });
  const slice = (ready: boolean): ValueMap => ({ endpoints: [{ conditions: { ready } }] });
  it.each<[string, ValueMap, ValueMap[], string]>([
    ["with a ready endpoint", { selector: { a: "1" } }, [slice(false), slice(true)], "ready"],
    ["without a ready endpoint", { selector: { a: "1" } }, [slice(false)], "waiting"],
    ["that selects nobody", {}, [], "ready"],
    ["without an address of its own", { selector: { a: "1" }, clusterIP: "None" }, [], "ready"],
    ["that only names another host", { type: "ExternalName" }, [], "ready"],
    ["without its load balancer", { type: "LoadBalancer" }, [], "waiting"],
  ])("a service %s", (_what, spec, slices, expected) => {
    expect(serviceAwaiter.evaluate(service(spec), { slices }).state).toBe(expected);
  });

  it("are waited for, config maps are not", () => {
    expect(awaiterOf({ apiVersion: "v1", kind: "Service" })).toBe(serviceAwaiter);
    expect(awaiterOf({ apiVersion: "v1", kind: "ConfigMap" })).toBeUndefined();
  });
});
