import type { Pod, PodStatus } from "../src/cluster/pod";
import { pod, RUNNING } from "./support/cluster";
import { Rig, until } from "./support/propagator";

const CONTAINER = "4f".repeat(32);
const waiting = (reason: string, message?: string): PodStatus => ({
  phase: "Pending",
  containerStatuses: [{ name: "app", state: { waiting: { reason, message } } }],
});

describe("A restore", () => {
  let rig: Rig;
  let web: Pod;
  let action: string;
  beforeEach(async () => {
    rig = await new Rig().start({ PROPAGATOR_RESTORE_SECONDS: "1" });
    rig.tool.container(CONTAINER);
    web = rig.cluster.set(pod("web"));
    action = await rig.checkpoint(web.metadata.uid);
    await rig.ended(action);
    rig.cluster.remove("demo", "web");
  });
  afterEach(() => rig.stop());
  const restoredPods = (): Pod[] =>
    [...rig.cluster.pods.values()].filter(({ metadata }) => metadata.name.includes("restored"));

  test("makes one new pod that carries the checkpoint's id, and is completed when that is ready", async () => {
    const { checkpoint_id } = await rig.action(action);
    const restore = await rig.restore(action);
    const [made] = await until("a pod is there", () => (restoredPods().length > 0 ? restoredPods() : undefined));
    expect(made).toMatchObject({
      metadata: {
        name: expect.stringMatching(/^web-restored-[0-9a-f]{6}$/),
        namespace: "demo",
        labels: { app: "web" },
        annotations: { "runc-cr.dev/restore": checkpoint_id, "bay-e2e.dev/restore-action": restore },
      },
      spec: { runtimeClassName: "bay-e2e-checkpoint", hostname: "web" },
    });
    expect(await rig.action(restore)).toMatchObject({ type: "restore_pod", status: "processing", checkpoint_id });
    expect((await rig.call("PATCH", `/v2/checkpoints/deprecate/${checkpoint_id}`)).json).toMatchObject({
      code: "checkpoint_in_use",
    });
    rig.cluster.status("demo", made!.metadata.name, RUNNING);
    expect(await rig.ended(restore)).toMatchObject({
      status: "completed",
      details: {
        action_id: action,
        reason: "manual",
        restored_pod: { name: made!.metadata.name, namespace: "demo", uid: made!.metadata.uid },
      },
    });
    expect((await rig.call("GET", "/v2/actions?type=restore")).json).toHaveLength(1);
    expect((await rig.call("GET", `/v2/checkpoint/status/${restore}`)).status).toBe(404);
    expect((await rig.call("POST", "/v2/restore/pod", { action_id: restore })).json).toMatchObject({
      code: "not_a_checkpoint",
    });
  });

  test("can be done again from the same checkpoint, under another name", async () => {
    rig.cluster.onCreate = () => RUNNING;
    for (let at = 0; at < 2; at += 1) await rig.ended(await rig.restore(action));
    expect(new Set(restoredPods().map(({ metadata }) => metadata.name)).size).toBe(2);
  });

  test.each<[string, PodStatus, object]>([
    [
      "the runtime's own words",
      waiting(
        "RunContainerError",
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc-cr: restore of 0c9f2b6e-1d2a-4c55-8a3f-9b6d7e5f4a21: checkpoint_broken: pages-1.img was changed: unknown",
      ),
      { error_code: "checkpoint_broken", error: "checkpoint_broken: pages-1.img was changed" },
    ],
    [
      "CRIU's last words",
      waiting(
        "CrashLoopBackOff",
        "runc-cr: restore of 0c9f2b6e-1d2a-4c55-8a3f-9b6d7e5f4a21: restore_failed: criu failed; CRIU: Error (a.c:1): one\nError (b.c:2): two",
      ),
      { error_code: "restore_failed", criu: ["Error (a.c:1): one", "Error (b.c:2): two"] },
    ],
    [
      "an image that is gone",
      waiting("ErrImageNeverPull", "not present"),
      { error_code: "restore_failed", error: "restore_failed: ErrImageNeverPull: not present" },
    ],
    [
      "a pod that the node refused",
      { phase: "Failed", reason: "OutOfcpu", message: "too little" },
      { error_code: "pod_failed", error: expect.stringContaining("OutOfcpu: too little") },
    ],
    [
      "a process that ended",
      {
        phase: "Running",
        containerStatuses: [
          {
            name: "app",
            restartCount: 1,
            state: { running: {} },
            lastState: { terminated: { exitCode: 139, reason: "Error" } },
          },
        ],
      },
      { error_code: "restored_process_ended", error: expect.stringContaining("exit code 139") },
    ],
    [
      "a readiness probe that fails",
      {
        phase: "Running",
        conditions: [{ type: "Ready", status: "False" }],
        containerStatuses: [{ name: "app", state: { running: {} } }],
      },
      { error_code: "restore_timeout", error: expect.stringContaining("its readiness probe does not succeed") },
    ],
    [
      "no room on the node",
      { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes" }] },
      { error_code: "restore_timeout", error: expect.stringContaining("no place on its node: 0/1 nodes") },
    ],
  ])("that fails says so with %s, and its pod is gone", async (_what, status, details) => {
    rig.cluster.onCreate = () => status;
    expect(await rig.ended(await rig.restore(action))).toMatchObject({ status: "error", details });
    expect(restoredPods()).toEqual([]);
  });

  test("takes from the pod's events what its status does not say", async () => {
    rig.cluster.onCreate = ({ metadata: { uid } }) => {
      rig.cluster.events.set(uid, [
        "Failed: Error: runc-cr: restore of 0c9f2b6e-1d2a-4c55-8a3f-9b6d7e5f4a21: wrong_container: the image is another one",
        "BackOff: back-off restarting",
      ]);
      return waiting("CrashLoopBackOff", "back-off restarting");
    };
    expect(await rig.ended(await rig.restore(action))).toMatchObject({
      details: { error_code: "wrong_container", error: "wrong_container: the image is another one" },
    });
  });

  test("that the API server refuses, or whose pod is deleted, fails by name", async () => {
    rig.cluster.onCreate = () => new Error("exceeded quota");
    expect(await rig.ended(await rig.restore(action))).toMatchObject({
      details: { error_code: "pod_refused", error: expect.stringContaining("exceeded quota") },
    });
    rig.cluster.onCreate = () => ({ phase: "Pending" });
    const restore = await rig.restore(action);
    const [made] = await until("a pod is there", () => (restoredPods().length > 0 ? restoredPods() : undefined));
    rig.cluster.remove("demo", made!.metadata.name);
    expect(await rig.ended(restore)).toMatchObject({ details: { error_code: "pod_gone" } });
  });

  test("is refused for a removed checkpoint, another cluster, a node without agent and overrides", async () => {
    const { checkpoint_id } = await rig.action(action);
    const refused = async (more: object = {}): Promise<unknown> =>
      (await rig.call("POST", "/v2/restore/pod", { action_id: action, ...more })).json.code;
    const { text: other } = await rig.call("POST", "/v2/cluster", { cluster_name: "other" });
    expect([
      await refused({ cluster_id: other }),
      await refused({ cluster_id: "test-cluster-fallback" }),
      await refused({ overrides: { criu_opts: "{}" } }),
    ]).toEqual(["wrong_cluster", "cluster_not_found", "overrides_unsupported"]);
    const [[node, url]] = [...rig.cluster.agents] as [[string, string]];
    rig.cluster.agents.clear();
    expect(await refused()).toBe("node_unavailable");
    rig.cluster.agents.set(node, url);
    await rig.call("PATCH", `/v2/checkpoints/deprecate/${checkpoint_id}`);
    expect(await refused()).toBe("checkpoint_deprecated");
    expect((await rig.call("GET", "/v2/actions?type=restore_pod")).json).toEqual([]);
  });

  test("is gone on with after a restart of the server, with the pod that was made", async () => {
    const restore = await rig.restore(action);
    const [made] = await until("a pod is there", () => (restoredPods().length > 0 ? restoredPods() : undefined));
    expect(await rig.propagator.close(5_000)).toBe(true);
    await rig.start();
    rig.cluster.status("demo", made!.metadata.name, RUNNING);
    expect(await rig.ended(restore)).toMatchObject({ status: "completed" });
    expect(restoredPods()).toHaveLength(1);
  });
});

test("A pod that was not ready at its checkpoint need only run after its restore", async () => {
  const rig = await new Rig().start({ PROPAGATOR_RESTORE_SECONDS: "5" });
  rig.tool.container(CONTAINER);
  const running: PodStatus = { ...RUNNING, conditions: [{ type: "Ready", status: "False" }] };
  const slow = rig.cluster.set({ ...pod("slow"), status: running });
  const action = await rig.checkpoint(slow.metadata.uid);
  await rig.ended(action);
  rig.cluster.onCreate = () => running;
  expect(await rig.ended(await rig.restore(action))).toMatchObject({ status: "completed" });
  await rig.stop();
});
