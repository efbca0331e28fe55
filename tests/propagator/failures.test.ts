import { PropagatorClient } from "../../cli/propagator/client";
import { ActionError, waitForCheckpoint, waitForRestore } from "../../cli/propagator/wait";
import { type Make, boundServer, counter, python, server } from "../runtime/workloads";
import { Scope } from "../support/scope";
import { notYet, waitFor } from "../support/wait";
import { Rig } from "./rig";

let rig: Rig;
let scope: Scope;
beforeAll(async () => { rig = await Rig.open(); });
afterAll(() => rig.close());
beforeEach(() => { scope = new Scope(); });
afterEach(() => scope.close());

const NOBODY = "99999999-2222-4333-8444-555555555555";
/** A counter with something more in its spec. */
const withSpec = (spec: object, container: object = {}): Make => (image, runtimeClass) => {
  const pod = counter(image, runtimeClass);
  return { ...pod, spec: { ...pod.spec, ...spec, containers: [{ ...pod.spec.containers[0], ...container }] } };
};
const withSidecar: Make = (image, runtimeClass) => {
  const pod = counter(image, runtimeClass);
  return { ...pod, spec: { ...pod.spec, containers: [pod.spec.containers[0], { ...pod.spec.containers[0], name: "side" }] as never } };
};
const refusalOf = (call: Promise<unknown>): Promise<unknown> => call.then(() => "it was not refused", ({ status, reason }: { status: number; reason: string }) => `${status} ${reason}`);
const failureOf = (wait: Promise<unknown>): Promise<ActionError> => wait.then(() => { throw new Error("it did not fail"); }, (error: ActionError) => error);

test.each<[string, Make, string]>([
  ["a terminal", withSpec({}, { tty: true }), "400 tty"],
  ["two containers", withSidecar, "400 several_containers"],
  ["the node's network", withSpec({ hostNetwork: true }), "400 host_namespace"],
  ["a shared process namespace", withSpec({ shareProcessNamespace: true }), "400 shared_process_namespace"],
])("a pod with %s is refused by name, and runs on", async (_what, make, expected) => {
  const pod = await rig.make(scope, make);
  await waitFor("a running pod", async () => (await rig.node.state(pod)).status.phase === "Running" || notYet("it is not running yet"), { deadline: 60_000 });
  expect(await refusalOf(rig.start(pod))).toBe(expected);
  expect((await rig.node.state(pod)).status.phase).toBe("Running");
});

test("what CRIU cannot dump is refused by the node before anything stands still, with the node's reason", async () => {
  const traced = await rig.make(scope, python("import multiprocessing, time; lock = multiprocessing.Lock(); print('ready', flush=True); time.sleep(1e6)"));
  await rig.node.logged(traced, /ready/);
  const error = await failureOf(waitForCheckpoint(rig.target.client, await rig.start(traced), { deadline: 60_000 }));
  expect([error.lastState, error.details]).toEqual(["error", expect.stringMatching(/^deleted_mapping: /)]);
});

test("unknown pods, clusters and tokens are refused by name", async () => {
  const { client, url } = rig.target;
  const clusterId = rig.target.clusterId!;
  const stranger = new PropagatorClient({ url, token: "not-the-token-at-all" });
  const other = await client.registerCluster("elsewhere");
  scope.add("cluster", () => client.deregisterCluster(other));
  const pod = { pod_name: "nobody", namespace: "default" };
  expect([
    await refusalOf(client.checkpointPod({ pod_id: NOBODY })), await refusalOf(client.checkpointPod({ ...pod, cluster_id: clusterId })), await refusalOf(client.checkpointPod({ ...pod, cluster_id: other })),
    await refusalOf(client.checkpointPod({ ...pod, cluster_id: "test-cluster-placeholder" })), await refusalOf(stranger.user()), await refusalOf(client.restorePod({ action_id: NOBODY })),
  ]).toEqual(["404 pod_not_found", "404 pod_not_found", "400 wrong_cluster", "404 cluster_not_found", "401 unauthorized", "404 action_not_found"]);
  stranger.close();
});

test("a removed checkpoint is gone from the node's disk, and not restored", async () => {
  const pod = await rig.make(scope, counter);
  await rig.node.ready(pod);
  const { id, action } = await rig.checkpoint(scope, pod);
  expect(await rig.stored()).toContain(id);
  await rig.target.client.deprecateCheckpoint(id);
  expect(await rig.stored()).not.toContain(id);
  expect(await refusalOf(rig.target.client.restorePod({ action_id: action }))).toBe("400 checkpoint_deprecated");
});

test("a checkpoint of which one byte was changed is not restored: the action says so, and its pod is gone", async () => {
  const pod = await rig.make(scope, counter);
  await rig.node.ready(pod);
  const { id, action } = await rig.checkpoint(scope, pod);
  await rig.node.run(["sh", "-c", `f=$(ls /var/lib/runc-cr/${id}/checkpoint/pages-*.img | head -1) && printf X | dd of=$f bs=1 seek=100 conv=notrunc status=none`]);
  const restore = await rig.target.client.restorePod({ action_id: action });
  const error = await failureOf(waitForRestore(rig.target.client, restore, { deadline: 60_000 }));
  expect(error.details).toMatch(/^checkpoint_broken: /);
  const { details } = await rig.target.client.action(restore);
  await rig.gone((details as { restored_pod: { name: string } }).restored_pod.name);
});

test("a restore that CRIU cannot do has CRIU's last words in its action", async () => {
  const pod = await rig.make(scope, boundServer);
  await rig.node.logged(pod, /^$/).catch(() => undefined);
  await waitFor("an answer", async () => rig.node.ask(pod).then(() => true, () => notYet("no answer yet")), { deadline: 60_000 });
  const { action } = await rig.checkpoint(scope, pod);
  await rig.node.remove(pod);
  const error = await failureOf(waitForRestore(rig.target.client, await rig.target.client.restorePod({ action_id: action }), { deadline: 60_000 }));
  expect(error.details).toMatch(/^restore_failed: .*; CRIU: .*bind/i);
});

test("a server that is replaced in the middle of a dump goes on with it, and makes it once", async () => {
  const pod = await rig.make(scope, server(256));
  await rig.node.ready(pod);
  const before = await rig.stored();
  const action = await rig.start(pod);
  await rig.node.kubectl("delete", "pod", "-n", rig.namespace, "-l", "app.kubernetes.io/component=server", "--wait=true");
  await rig.node.kubectl("rollout", "status", "-n", rig.namespace, "deployment", "--timeout=60s");
  await rig.reopen();
  const made = await rig.made(scope, action);
  expect((await rig.stored()).filter((id) => !before.includes(id))).toEqual([made.id]);
  await rig.node.remove(pod);
  const restored = await rig.restore(scope, made, pod);
  expect(await rig.node.ask(restored)).toMatch(/True$/);
});

test("an agent that is told to end in the middle of a dump lets it end first", async () => {
  const pod = await rig.make(scope, server(256));
  await rig.node.ready(pod);
  const action = await rig.start(pod);
  await waitFor("the beginning of the dump", async () => (await rig.target.client.checkpointStatus(action)).status !== "initialized" || notYet("it is not begun"), { deadline: 30_000, interval: 5 });
  await rig.node.kubectl("delete", "pod", "-n", rig.namespace, "-l", "app.kubernetes.io/component=agent", "--wait=true");
  const made = await rig.made(scope, action);
  await rig.node.kubectl("rollout", "status", "-n", rig.namespace, "daemonset", "--timeout=60s");
  expect(await rig.stored()).toContain(made.id);
  expect((await rig.node.state(pod)).status.phase).toBe("Running");
});

test("of one container five checkpoints are kept, and the oldest is gone from the disk", async () => {
  const pod = await rig.make(scope, counter);
  await rig.node.ready(pod);
  const made: string[] = [];
  for (let at = 0; at < 6; at += 1) made.push((await rig.checkpoint(scope, pod)).id);
  await waitFor("the oldest to go", async () => !(await rig.stored()).includes(made[0]!) || notYet("it is still on the disk"), { deadline: 30_000 });
  expect(await rig.stored()).toEqual(expect.arrayContaining(made.slice(1)));
  const listed = (await rig.target.client.checkpoints()).map(({ id }) => id);
  expect([listed.includes(made[0]!), made.slice(1).every((id) => listed.includes(id))]).toEqual([false, true]);
});
