import { randomUUID } from "node:crypto";
import { PropagatorClient } from "../../cli/propagator/client";
import { runcRoot } from "../../cli/propagator/environment";
import { CHECKPOINT_STATES, FAILED_STATES } from "../../cli/propagator/types";
import { waitForCheckpoint } from "../../cli/propagator/wait";
import { notYet, waitFor } from "../support/wait";
import { differences, grows, identityOf } from "./support/identity";
import { refusalOf, useRig, WELL } from "./support/rig";
import { counter, type Make } from "./support/workloads";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const { rig, scope } = useRig();

/** The requirements' pod, with an image that every host has. */
const managed: Make = (image) => {
  const pod = counter(image);
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: { app: "cedana-test" } },
    spec: {
      ...pod.spec,
      restartPolicy: "Never",
      containers: [
        {
          ...pod.spec.containers[0],
          ports: [{ containerPort: 80 }],
          resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { cpu: "100m", memory: "128Mi" } },
        },
      ],
    },
  };
};

describe("the workflow of the requirements", () => {
  test("Propagator connectivity and authentication", async () => {
    const { client, clusterId, target } = rig();
    expect(await client.user()).toMatch(/\S/);
    expect((await client.clusters()).map(({ id }) => id)).toContain(clusterId);
    const stranger = new PropagatorClient({ url: target.url, token: `${randomUUID()}-nobody` });
    expect(await refusalOf(stranger.user())).toMatch(/^40[13]\b/);
    expect(await refusalOf(stranger.checkpoints())).toMatch(/^40[13]\b/);
    stranger.close();
  });

  test("Pod creation and management", async () => {
    const { pods } = rig();
    const pod = await rig().make(scope(), managed);
    const { metadata, spec, status } = await pods.ready(pod);
    expect(metadata).toMatchObject({
      name: pod.metadata.name,
      namespace: pods.namespace,
      labels: { app: "cedana-test" },
    });
    expect(spec).toMatchObject({
      restartPolicy: "Never",
      containers: [
        {
          ports: [{ containerPort: 80 }],
          resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { cpu: "100m", memory: "128Mi" } },
        },
      ],
    });
    expect(status).toMatchObject({ phase: "Running", containerStatuses: [{ ready: true, restartCount: 0 }] });
    expect(await pods.exec(pod, "hostname")).toBe(pod.metadata.name);
    await grows(pods, pod);
    await pods.remove(pod);
    expect(await pods.kube.pod(pods.namespace, pod.metadata.name)).toBeUndefined();
  });

  test("Pod checkpoint via API", async () => {
    const { client, clusterId, pods } = rig();
    const pod = await rig().make(scope(), counter);
    await pods.ready(pod);
    const { metadata } = await pods.state(pod);
    const action = await client.checkpointPod({
      pod_id: metadata!.uid!,
      pod_name: pod.metadata.name,
      namespace: pods.namespace,
      cluster_id: clusterId,
      runc_root: runcRoot(),
    });
    expect(action).toMatch(UUID);
    const { id, details } = await rig().made(scope(), action);
    expect(id).toMatch(UUID);
    expect(details).toMatchObject({ action_id: action, checkpoint_id: id });
    expect(await client.latestActionOfPod(metadata!.uid!)).toBe(action);
    await grows(pods, pod);
    expect(await pods.health(pod)).toEqual({ ready: true, restarts: 0 });
  });

  test("Poll checkpoint action", async () => {
    const { client } = rig();
    const pod = await rig().make(scope(), counter);
    await rig().pods.ready(pod);
    const action = await rig().start(pod);
    const seen: string[] = [];
    await waitFor(
      `the end of ${action}`,
      async () => {
        const { status, details } = await client.checkpointStatus(action);
        if (seen.at(-1) !== status) seen.push(status);
        if (FAILED_STATES.includes(status)) throw new Error(`${action} failed: ${details}`);
        return status === "ready" || notYet(`it is ${status}`);
      },
      { deadline: 100_000, interval: 10 },
    );
    const order = seen.map((state) => (CHECKPOINT_STATES as readonly string[]).indexOf(state));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order[0]).toBeGreaterThanOrEqual(0);
    const id = await waitForCheckpoint(client, action);
    scope().add(`checkpoint ${id}`, () => client.deprecateCheckpoint(id));
    expect((await client.actions({ type: "checkpoint_pod" })).find((each) => each.action_id === action)).toMatchObject({
      checkpoint_id: id,
    });
    await expect(waitForCheckpoint(client, randomUUID(), { deadline: 500 })).rejects.toMatchObject({ end: "deadline" });
  });

  test("Pod restore via API", async () => {
    const { client, pods } = rig();
    const pod = await rig().make(scope(), counter);
    await pods.logged(pod, /^\d+ [5-9]$/);
    const before = await identityOf(pods, pod, "last");
    const made = await rig().checkpoint(scope(), pod);
    await pods.remove(pod);
    const restored = await rig().restore(scope(), made, pod);
    expect(restored.metadata.name).not.toBe(pod.metadata.name);
    expect(differences(before, await identityOf(pods, restored, "first"))).toEqual([]);
    const restores = (await client.actions({ type: "restore_pod" })).filter(
      ({ checkpoint_id }) => checkpoint_id === made.id,
    );
    expect(restores).toHaveLength(1);
    expect(restores[0]!.action_id).not.toBe(made.action);
  });

  test("Cleanup and deprecation", async () => {
    const { client } = rig();
    const pod = await rig().make(scope(), counter);
    await rig().pods.ready(pod);
    const { id, action } = await rig().checkpoint(scope(), pod);
    const states = async () =>
      (await client.checkpoints()).filter((each) => each.id === id).map(({ status }) => status);
    expect(await states()).toEqual(["ready"]);
    await client.deprecateCheckpoint(id);
    expect(await states()).not.toContain("ready");
    expect(await refusalOf(client.restorePod({ action_id: action, cluster_id: rig().clusterId }))).toMatch(
      rig().isLocal ? /^400 checkpoint_deprecated$/ : /^4/,
    );
    expect(await refusalOf(client.deprecateCheckpoint(randomUUID()))).toMatch(/^4/);
  });

  test("Workflow validation", async () => {
    const { client, clusterId, pods } = rig();
    const pod = await rig().make(scope(), managed);
    await pods.ready(pod);
    await pods.logged(pod, /^\d+ [5-9]$/);
    const before = await identityOf(pods, pod, "last");
    const made = await rig().checkpoint(scope(), pod);
    await grows(pods, pod);
    await pods.remove(pod);
    const restored = await rig().restore(scope(), made, pod);
    expect(differences(before, await identityOf(pods, restored, "first"))).toEqual([]);
    expect(await rig().staysReady(restored)).toEqual(WELL);
    await grows(pods, restored);
    await client.deprecateCheckpoint(made.id);
    await pods.remove(restored);
    expect(
      (await client.checkpoints({ cluster_id: clusterId })).filter(
        ({ id, status }) => id === made.id && status === "ready",
      ),
    ).toEqual([]);
  });
});
