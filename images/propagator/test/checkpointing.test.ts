import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import type { Pod } from "../src/cluster/pod";
import { pod } from "./support/cluster";
import { Rig, until } from "./support/propagator";

const id = (digit: string): string => digit.repeat(64);

describe("A pod that cannot be checkpointed is refused by name:", () => {
  const rig = new Rig();
  beforeAll(async () => {
    rig.cluster.forbidden.add("kube-system");
    await rig.start({ PROPAGATOR_NAMESPACES: "demo,other" });
  });
  afterAll(() => rig.stop());
  const two = [
    { name: "app", image: "demo:1" },
    { name: "side", image: "demo:1" },
  ];

  test.each<[string, Pod, string, RegExp]>([
    ["two containers", pod("p", { spec: { containers: two } }), "several_containers", /app, side/],
    [
      "a sidecar",
      pod("p", { spec: { initContainers: [{ name: "proxy", image: "x", restartPolicy: "Always" }] } }),
      "several_containers",
      /app, proxy/,
    ],
    ["a terminal", pod("p", { container: { tty: true } }), "tty", /terminal/],
    ["a user namespace", pod("p", { spec: { hostUsers: false } }), "user_namespace", /hostUsers/],
    ["the node's network", pod("p", { spec: { hostNetwork: true } }), "host_namespace", /hostNetwork/],
    [
      "a shared process namespace",
      pod("p", { spec: { shareProcessNamespace: true } }),
      "shared_process_namespace",
      /shareProcessNamespace/,
    ],
    ["another runtime", pod("p", { spec: { runtimeClassName: "gvisor" } }), "runtime_class", /gvisor/],
    ["a GPU", pod("p", { container: { resources: { limits: { "nvidia.com/gpu": "1" } } } }), "device", /nvidia/],
    ["a claimed device", pod("p", { container: { resources: { claims: [{ name: "gpu" }] } } }), "device", /claims/],
    [
      "a DaemonSet",
      pod("p", { metadata: { ownerReferences: [{ kind: "DaemonSet", name: "ds", controller: true }] } }),
      "pod_controller",
      /DaemonSet ds/,
    ],
    [
      "a bare ReplicaSet",
      pod("p", { metadata: { ownerReferences: [{ kind: "ReplicaSet", name: "rs", controller: true }] } }),
      "pod_controller",
      /ReplicaSet rs/,
    ],
    [
      "a static pod",
      pod("p", { metadata: { annotations: { "kubernetes.io/config.mirror": "x" } } }),
      "static_pod",
      /static/,
    ],
    [
      "a pod that goes",
      pod("p", { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }),
      "pod_not_running",
      /deleted/,
    ],
    [
      "a pod that waits",
      {
        ...pod("p"),
        status: {
          phase: "Pending",
          containerStatuses: [{ name: "app", state: { waiting: { reason: "ImagePullBackOff" } } }],
        },
      },
      "pod_not_running",
      /Pending \(ImagePullBackOff\)/,
    ],
    ["a pod without a status", { ...pod("p"), status: undefined }, "pod_not_running", /no status yet/],
    [
      "another container engine",
      {
        ...pod("p"),
        status: {
          phase: "Running",
          containerStatuses: [{ name: "app", containerID: "cri-o://abc", state: { running: {} } }],
        },
      },
      "runtime_class",
      /cri-o/,
    ],
    ["a node without an agent", pod("p", { spec: { nodeName: "node-9" } }), "agent_unavailable", /node-9/],
  ])("%s", async (_what, given, code, message) => {
    rig.cluster.set(given);
    const answer = await rig.call("POST", "/v2/checkpoint/pod", { pod_id: given.metadata.uid });
    expect(answer.json).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(answer.status).toBe(code === "agent_unavailable" ? 503 : 400);
    expect((await rig.call("GET", "/v2/actions")).json).toEqual([]);
  });

  test("a namespace that it may not look into", async () => {
    const [own] = (await rig.call("GET", "/v2/cluster")).json as { id: string }[];
    expect(
      (await rig.call("POST", "/v2/checkpoint/pod", { pod_name: "x", namespace: "kube-system", cluster_id: own!.id }))
        .json,
    ).toMatchObject({ code: "forbidden_namespace" });
  });
});

describe("A checkpoint", () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(() => rig.stop());
  const add = (name: string, digit: string, more: object = {}): Pod => {
    rig.tool.container(id(digit));
    return rig.cluster.set(pod(name, { containerId: id(digit), ...more }));
  };
  const status = async (action: string): Promise<string> =>
    (await rig.call("GET", `/v2/checkpoint/status/${action}`)).json.status as string;

  test("that the node's tool refuses ends in error with the tool's reason and CRIU's words", async () => {
    await rig.start();
    const web = add("web", "a");
    rig.tool.container(id("a"), {
      code: "dump_failed",
      message: "criu failed",
      criu: ["Error (criu/x.c:1): no", "Error (criu/y.c:2): way"],
    });
    const action = await rig.ended(await rig.checkpoint(web.metadata.uid));
    expect(action).toMatchObject({
      status: "error",
      details: {
        error_code: "dump_failed",
        error: "dump_failed: criu failed; CRIU: Error (criu/x.c:1): no; Error (criu/y.c:2): way",
        criu: ["Error (criu/x.c:1): no", "Error (criu/y.c:2): way"],
      },
    });
    expect((await rig.call("GET", `/v2/checkpoint/status/${action.action_id}`)).json).toEqual({
      status: "error",
      details: action.details.error,
    });
    expect((await rig.call("POST", "/v2/restore/pod", { action_id: action.action_id })).json).toMatchObject({
      code: "checkpoint_failed",
      message: expect.stringContaining("criu failed"),
    });
    expect((await rig.call("GET", "/v2/checkpoints")).json).toEqual([
      expect.objectContaining({ status: "error", info: "dump_failed: criu failed" }),
    ]);
  });

  test("runs beside that of another pod, and waits for one of the same container", async () => {
    await rig.start();
    const [web, db] = [add("web", "a"), add("db", "b")];
    rig.tool.set("hold");
    const [first, second, other] = [
      await rig.checkpoint(web.metadata.uid),
      await rig.checkpoint(web.metadata.uid),
      await rig.checkpoint(db.metadata.uid),
    ];
    await until("two dumps are under way", () =>
      rig.tool.calls.filter((call) => call.startsWith("dump")).length === 2 ? true : undefined,
    );
    expect([await status(first), await status(second), await status(other)]).toEqual([
      "processing",
      "initialized",
      "processing",
    ]);
    expect((await rig.call("POST", "/v2/restore/pod", { action_id: first })).json).toMatchObject({
      code: "checkpoint_not_ready",
    });
    const { checkpoint_id } = await rig.action(first);
    expect((await rig.call("PATCH", `/v2/checkpoints/deprecate/${checkpoint_id}`)).json).toMatchObject({
      code: "checkpoint_in_use",
    });
    rmSync(path.join(rig.folder, "hold"));
    for (const action of [first, second, other]) expect(await rig.ended(action)).toMatchObject({ status: "ready" });
    expect(rig.tool.stored).toHaveLength(3);
  });

  test("is gone on with when the server was started again in the middle, without a second dump", async () => {
    await rig.start();
    const web = add("web", "a");
    rig.tool.set("hold");
    const [running, waiting] = [await rig.checkpoint(web.metadata.uid), await rig.checkpoint(web.metadata.uid)];
    await until("the dump is under way", () =>
      rig.tool.calls.some((call) => call.startsWith("dump")) ? true : undefined,
    );
    expect(await rig.propagator.close(5_000)).toBe(true);
    await rig.start();
    expect([await status(running), await status(waiting)]).toEqual(["processing", "initialized"]);
    rmSync(path.join(rig.folder, "hold"));
    expect([(await rig.ended(running)).status, (await rig.ended(waiting)).status]).toEqual(["ready", "ready"]);
    expect(rig.tool.calls.filter((call) => call.startsWith("dump"))).toHaveLength(2);
  });

  test("is found by its id when both server and agent were started again after the dump", async () => {
    await rig.start();
    const web = add("web", "a");
    rig.tool.set("hold");
    const action = await rig.checkpoint(web.metadata.uid);
    await until("the dump is under way", () =>
      rig.tool.calls.some((call) => call.startsWith("dump")) ? true : undefined,
    );
    await rig.propagator.close(5_000);
    rmSync(path.join(rig.folder, "hold"));
    expect(await rig.agent.close(20_000)).toBe(true); // lets the dump end
    expect(rig.tool.stored).toHaveLength(1);
    await rig.startAgent();
    await rig.start();
    expect(await rig.ended(action)).toMatchObject({ status: "ready", checkpoint_size: 1000 });
  });

  test("whose agent breaks off fails, and what it may have left is removed when the agent is back", async () => {
    await rig.start();
    const web = add("web", "a");
    rig.tool.set("hold");
    const action = await rig.checkpoint(web.metadata.uid);
    await until("the dump is under way", () =>
      rig.tool.calls.some((call) => call.startsWith("dump")) ? true : undefined,
    );
    const lost = rig.agent.close(20);
    expect(await rig.ended(action)).toMatchObject({ status: "error", details: { error_code: "agent_unavailable" } });
    await lost;
    rmSync(path.join(rig.folder, "hold"));
    await until("the lost dump was made", () => (rig.tool.stored.length === 1 ? true : undefined));
    await rig.startAgent();
    await rig.propagator.services.removals.work();
    expect(rig.tool.stored).toEqual([]);
  });

  test("is kept so many times of one container, the oldest gone from the disk", async () => {
    await rig.start({ PROPAGATOR_KEEP: "2" });
    const [web, db] = [add("web", "a"), add("db", "b")];
    const made: string[] = [];
    for (let at = 0; at < 4; at += 1)
      made.push((await rig.ended(await rig.checkpoint(web.metadata.uid))).checkpoint_id as string);
    const other = (await rig.ended(await rig.checkpoint(db.metadata.uid))).checkpoint_id as string;
    await until("only the newest are kept", () =>
      rig.tool.stored.join() === [...made.slice(2), other].sort().join() ? true : undefined,
    );
    expect((await rig.call("GET", "/v2/checkpoints")).json).toHaveLength(3);
    const [gone] = (await rig.call("GET", `/v2/checkpoints?ids=${made[0]!}`)).json as object[];
    expect(gone).toMatchObject({ status: "deprecated", info: "only 2 are kept of one container" });
  });

  test("makes room for itself on its node, and tells the tool what one may take", async () => {
    await rig.start({ PROPAGATOR_MAX_BYTES: "2500" });
    const pods = ["a", "b", "c"].map((digit) => add(`pod-${digit}`, digit));
    const made: string[] = [];
    for (const each of pods)
      made.push((await rig.ended(await rig.checkpoint(each.metadata.uid))).checkpoint_id as string);
    await until("the oldest made room", () =>
      rig.tool.stored.join() === made.slice(1).sort().join() ? true : undefined,
    );
    expect(await rig.propagator.services.context.metrics.registry.metrics()).toMatch(
      /propagator_checkpoint_bytes\{node="node-1"\} 2000/,
    );
  });

  test("stays as it is when its files cannot be removed", async () => {
    await rig.start();
    const web = add("web", "a");
    const { checkpoint_id } = await rig.ended(await rig.checkpoint(web.metadata.uid));
    rig.tool.set("stuck");
    expect(await rig.call("PATCH", `/v2/checkpoints/deprecate/${checkpoint_id}`)).toMatchObject({
      status: 502,
      json: { code: "removal_failed", message: expect.stringContaining("the disk is stuck") },
    });
    rig.cluster.agents.clear();
    expect(await rig.call("PATCH", `/v2/checkpoints/deprecate/${checkpoint_id}`)).toMatchObject({
      status: 409,
      json: { code: "files_unreachable" },
    });
    expect((await rig.call("GET", "/v2/checkpoints")).json).toEqual([
      expect.objectContaining({ id: checkpoint_id, status: "ready" }),
    ]);
  });

  test("is removed with all others when the propagator is uninstalled", async () => {
    await rig.start();
    const [web, db] = [add("web", "a"), add("db", "b")];
    for (const each of [web, db]) await rig.ended(await rig.checkpoint(each.metadata.uid));
    expect((await rig.call("POST", "/internal/purge")).json).toEqual({ removed: 2, left: [] });
    expect(rig.tool.stored).toEqual([]);
    expect(existsSync(rig.tool.store)).toBe(true);
  });

  test("is forgotten with its action when there are many, but not while it can be restored", async () => {
    await rig.start({ PROPAGATOR_HISTORY: "3" });
    const [web, db] = [add("web", "a"), add("db", "b")];
    const kept = await rig.ended(await rig.checkpoint(web.metadata.uid));
    rig.tool.container(id("b"), { code: "traced", message: "no" });
    for (let at = 0; at < 5; at += 1) await rig.ended(await rig.checkpoint(db.metadata.uid));
    const ids = async (path: string): Promise<string[]> =>
      ((await rig.call("GET", path)).json as { action_id: string }[]).map(({ action_id }) => action_id);
    expect(await ids("/v2/actions")).toHaveLength(4);
    expect(await ids("/v2/actions")).toContain(kept.action_id);
    expect((await ids("/v2/checkpoints")).sort()).toEqual((await ids("/v2/actions")).sort());
    await rig.call("PATCH", `/v2/checkpoints/deprecate/${kept.checkpoint_id}`);
    await rig.ended(await rig.checkpoint(db.metadata.uid));
    expect(await ids("/v2/actions")).toHaveLength(3);
    expect(await ids("/v2/checkpoints?deprecated=true")).not.toContain(kept.action_id);
  });
});
