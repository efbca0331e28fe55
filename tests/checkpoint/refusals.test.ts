import { PropagatorClient } from "../../cli/propagator/client";
import { waitForCheckpoint, waitForRestore } from "../../cli/propagator/wait";
import { lacks } from "../support/lacking";
import { notYet, waitFor } from "../support/wait";
import { failureOf, refusalOf, useRig } from "./support/rig";
import { boundServer, counter, type Make, python } from "./support/workloads";

const { rig, scope } = useRig();
const NOBODY = "99999999-2222-4333-8444-555555555555";

/** A counter with something more in its spec. */
const withSpec =
  (spec: object, container: object = {}): Make =>
  (image, runtimeClass) => {
    const pod = counter(image, runtimeClass);
    return { ...pod, spec: { ...pod.spec, ...spec, containers: [{ ...pod.spec.containers[0], ...container }] } };
  };
const withSidecar: Make = (image, runtimeClass) => {
  const pod = counter(image, runtimeClass);
  return {
    ...pod,
    spec: { ...pod.spec, containers: [pod.spec.containers[0], { ...pod.spec.containers[0], name: "side" }] as never },
  };
};
const phaseOf = async (pod: Parameters<ReturnType<typeof rig>["pods"]["state"]>[0]) =>
  (await rig().pods.state(pod)).status?.phase;

/** Reasons have names where the propagator is this repository's. */
function needsLocal(): void {
  if (!rig().isLocal) lacks("a propagator that names its reasons");
}

describe("a checkpoint is refused by name, and the pod runs on", () => {
  test.each<[string, Make, string]>([
    ["a terminal", withSpec({}, { tty: true }), "400 tty"],
    ["two containers", withSidecar, "400 several_containers"],
    ["the node's network", withSpec({ hostNetwork: true }), "400 host_namespace"],
    ["a shared process namespace", withSpec({ shareProcessNamespace: true }), "400 shared_process_namespace"],
  ])("of a pod with %s", async (_what, make, expected) => {
    needsLocal();
    const pod = await rig().make(scope(), make);
    await waitFor("a running pod", async () => (await phaseOf(pod)) === "Running" || notYet("it is not running yet"), {
      deadline: 60_000,
    });
    expect(await refusalOf(rig().start(pod))).toBe(expected);
    expect(await phaseOf(pod)).toBe("Running");
  });

  test("of a pod with a user namespace", async () => {
    needsLocal();
    const pod = await rig().make(scope(), withSpec({ hostUsers: false }));
    // A node whose runtime or kernel has no user namespaces for pods says so in an event.
    const state = await waitFor(
      "a running pod, or a reason why there is none",
      async () => {
        if ((await phaseOf(pod)) === "Running") return "Running";
        return (
          (await rig().pods.events(pod)).find((event) => /user ?namespace|idmap|userns/i.test(event)) ??
          notYet("neither")
        );
      },
      { deadline: 60_000 },
    );
    if (state !== "Running") lacks(`user namespaces for pods (${state.slice(0, 120)})`);
    expect(await refusalOf(rig().start(pod))).toBe("400 user_namespace");
    expect(await phaseOf(pod)).toBe("Running");
  });

  test("by the node, before anything stands still, where CRIU cannot dump a process", async () => {
    needsLocal();
    const pod = await rig().make(
      scope(),
      python(
        "import multiprocessing, time; lock = multiprocessing.Lock(); print('ready', flush=True); time.sleep(1e6)",
      ),
    );
    await rig().pods.logged(pod, /ready/);
    const error = await failureOf(waitForCheckpoint(rig().client, await rig().start(pod), { deadline: 60_000 }));
    expect([error.lastState, error.details]).toEqual(["error", expect.stringMatching(/^deleted_mapping: /)]);
    expect(await rig().pods.health(pod)).toEqual({ ready: true, restarts: 0 });
  });
});

test("unknown pods, clusters and tokens are refused by name", async () => {
  needsLocal();
  const { client, clusterId, target } = rig();
  const stranger = new PropagatorClient({ url: target.url, token: "not-the-token-at-all" });
  const other = await client.registerCluster("elsewhere");
  scope().add("cluster", () => client.deregisterCluster(other));
  const pod = { pod_name: "nobody", namespace: rig().pods.namespace };
  expect([
    await refusalOf(client.checkpointPod({ pod_id: NOBODY })),
    await refusalOf(client.checkpointPod({ ...pod, cluster_id: clusterId })),
    await refusalOf(client.checkpointPod({ ...pod, cluster_id: other })),
    await refusalOf(client.checkpointPod({ ...pod, cluster_id: "test-cluster-placeholder" })),
    await refusalOf(stranger.user()),
    await refusalOf(client.restorePod({ action_id: NOBODY })),
  ]).toEqual([
    "404 pod_not_found",
    "404 pod_not_found",
    "400 wrong_cluster",
    "404 cluster_not_found",
    "401 unauthorized",
    "404 action_not_found",
  ]);
  stranger.close();
});

describe("a restore that fails says why in its action, and leaves no pod", () => {
  test("where CRIU cannot do it, with CRIU's last words", async () => {
    needsLocal();
    const { client, pods } = rig();
    const pod = await rig().make(scope(), boundServer);
    await pods.ready(pod);
    const { action } = await rig().checkpoint(scope(), pod);
    await pods.remove(pod);
    const restore = await client.restorePod({ action_id: action });
    const error = await failureOf(waitForRestore(client, restore, { deadline: 100_000 }));
    expect(error.details).toMatch(/^restore_failed: .*; CRIU: .*bind/i);
    const { details } = await client.action(restore);
    await pods.gone((details as { restored_pod: { name: string } }).restored_pod.name);
  });
});

describe("on the node's disk", () => {
  test("a checkpoint that was removed is gone, and not restored", async () => {
    const { node, client } = rig();
    const pod = await rig().make(scope(), counter);
    await rig().pods.ready(pod);
    const { id, action } = await rig().checkpoint(scope(), pod);
    expect(await node.stored()).toContain(id);
    await client.deprecateCheckpoint(id);
    expect(await node.stored()).not.toContain(id);
    expect(await refusalOf(client.restorePod({ action_id: action }))).toBe("400 checkpoint_deprecated");
  });

  test("one byte of a checkpoint was changed: it is not restored, the action says so, and its pod is gone", async () => {
    const { node, client, pods } = rig();
    const pod = await rig().make(scope(), counter);
    await pods.ready(pod);
    const { id, action } = await rig().checkpoint(scope(), pod);
    await node.run(
      "sh",
      "-c",
      `f=$(ls /var/lib/runc-cr/${id}/checkpoint/pages-*.img | head -1) && printf XY | dd of=$f bs=1 seek=100 conv=notrunc status=none`,
    );
    const restore = await client.restorePod({ action_id: action });
    const error = await failureOf(waitForRestore(client, restore, { deadline: 100_000 }));
    expect(error.details).toMatch(/^checkpoint_broken: /);
    const { details } = await client.action(restore);
    await pods.gone((details as { restored_pod: { name: string } }).restored_pod.name);
  });

  test("five checkpoints of one container are kept, and the oldest goes", async () => {
    const { node, client } = rig();
    const pod = await rig().make(scope(), counter);
    await rig().pods.ready(pod);
    const made: string[] = [];
    for (let at = 0; at < 6; at += 1) made.push((await rig().checkpoint(scope(), pod)).id);
    await waitFor(
      "the oldest to go",
      async () => !(await node.stored()).includes(made[0]!) || notYet("it is still on the disk"),
      { deadline: 30_000 },
    );
    expect(await node.stored()).toEqual(expect.arrayContaining(made.slice(1)));
    const listed = (await client.checkpoints()).map(({ id }) => id);
    expect([listed.includes(made[0]!), made.slice(1).every((id) => listed.includes(id))]).toEqual([false, true]);
  });
});
