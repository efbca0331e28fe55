import { inspect } from "node:util";
import { pod } from "./support/cluster";
import { AGENT_TOKEN, CLUSTER_ID, Rig, TOKEN } from "./support/propagator";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NOBODY = "99999999-2222-4333-8444-555555555555";

describe.each(["v1", "v2"])("The propagator's API under /%s", (version) => {
  const rig = new Rig();
  beforeAll(() => rig.start());
  afterAll(() => rig.stop());
  const call = (method: string, path: string, body?: unknown) => rig.call(method, `/${version}${path}`, body);

  test("tells a client with the right token that it is known", async () => {
    expect(await call("GET", "/user")).toMatchObject({ status: 200, text: "local" });
    expect((await rig.call("HEAD", `/${version}/user`)).status).toBe(200);
  });

  test("lists the cluster that it runs in, registers, updates and deregisters others", async () => {
    expect((await call("GET", "/cluster?kind=kubernetes")).json).toEqual([
      expect.objectContaining({ id: CLUSTER_ID, name: "local", status: "active", own: true }),
    ]);
    const made = await call("POST", "/cluster", { cluster_name: `other-${version}` });
    expect([made.status, made.text]).toEqual([200, expect.stringMatching(UUID)]);
    expect((await call("POST", "/cluster", { cluster_name: `other-${version}`, kind: "slurm" })).text).toBe(made.text);
    expect((await call("GET", "/cluster?kind=slurm")).json).toEqual([
      expect.objectContaining({ id: made.text, own: false }),
    ]);
    const gone = await call("DELETE", `/cluster/${made.text}`);
    expect([gone.status, gone.text]).toEqual([200, version === "v1" ? `"deleted"` : "deleted"]);
    expect((await call("DELETE", `/cluster/${made.text}`)).json).toMatchObject({ code: "cluster_not_found" });
  });

  test("checkpoints and lists in both forms of the request", async () => {
    const web = rig.cluster.set(pod("web"));
    rig.tool.container("4f".repeat(32));
    for (const body of [
      { pod_id: web.metadata.uid, runc_root: "/run/containerd/runc/k8s.io" },
      {
        pod_name: "web",
        namespace: "demo",
        cluster_id: CLUSTER_ID,
        runc_root: "/run/containerd/runc/k8s.io/",
        overrides: null,
      },
    ]) {
      const started = await call("POST", "/checkpoint/pod", body);
      expect([started.status, started.text]).toEqual([200, expect.stringMatching(UUID)]);
      const action = await rig.ended(started.text);
      expect(action).toMatchObject({
        type: "checkpoint_pod",
        status: "ready",
        node_name: "node-1",
        checkpoint_size: 1000,
        checksum: `sha256:${"ab".repeat(32)}`,
        total_io: 1000,
        checkpoint_info: {
          container: "app",
          memory_size: 900,
          rootfs_size: 50,
          freeze_microseconds: 61000,
          dump_microseconds: 230000,
        },
        details: { runc_root: body.runc_root, pod: { name: "web", namespace: "demo", uid: web.metadata.uid } },
      });
      expect((await call("GET", `/checkpoint/status/${started.text}`)).json).toEqual({
        status: "ready",
        details: null,
      });
      expect((await call("GET", `/actions/from_pod/${web.metadata.uid}`)).text).toBe(started.text);
      const [listed] = (await call("GET", `/checkpoints?cluster_id=${CLUSTER_ID}`)).json as Record<string, unknown>[];
      expect(listed).toMatchObject({
        id: action.checkpoint_id,
        status: "ready",
        pod_name: "web",
        namespace: "demo",
        cluster_id: CLUSTER_ID,
        size: 1000,
        action_id: started.text,
      });
      expect((await call("GET", `/checkpoints?ids=${action.checkpoint_id},${NOBODY}`)).json).toHaveLength(1);
    }
    for (const query of ["", "?type=checkpoint_pod", "?type=checkpoint", `?cluster_id=${CLUSTER_ID}`])
      expect((await call("GET", `/actions${query}`)).json).toHaveLength(2);
    for (const query of ["?type=restore", "?type=heartbeat", `?cluster_id=${NOBODY}`])
      expect((await call("GET", `/actions${query}`)).json).toEqual([]);
  });

  test("removes a checkpoint's files when it is deprecated, and hides it", async () => {
    const [first] = (await call("GET", "/checkpoints")).json as { id: string }[];
    expect(rig.tool.stored).toContain(first!.id);
    expect(await call("PATCH", `/checkpoints/deprecate/${first!.id}`)).toMatchObject({
      status: 200,
      text: "deprecated",
    });
    expect(rig.tool.stored).not.toContain(first!.id);
    expect((await call("GET", "/checkpoints")).json).not.toContainEqual(expect.objectContaining({ id: first!.id }));
    expect((await call("GET", "/checkpoints?deprecated=true")).json).toContainEqual(
      expect.objectContaining({ id: first!.id, status: "deprecated" }),
    );
    expect((await call("PATCH", `/checkpoints/deprecate/${first!.id}`)).status).toBe(200);
  });

  test.each<[string, string, string, unknown, number, string]>([
    ["a body that is no JSON", "POST", "/checkpoint/pod", "{", 400, "bad_request"],
    ["a list", "POST", "/checkpoint/pod", [], 400, "bad_request"],
    ["a checkpoint of no pod", "POST", "/checkpoint/pod", {}, 400, "bad_request"],
    ["a name without its namespace and cluster", "POST", "/checkpoint/pod", { pod_name: "web" }, 400, "bad_request"],
    ["a number for a pod", "POST", "/checkpoint/pod", { pod_id: 7 }, 400, "bad_request"],
    ["a large body", "POST", "/checkpoint/pod", { pod_id: "x".repeat(70_000) }, 413, "payload_too_large"],
    ["an unknown UID", "POST", "/checkpoint/pod", { pod_id: NOBODY }, 404, "pod_not_found"],
    [
      "an unknown pod",
      "POST",
      "/checkpoint/pod",
      { pod_name: "nobody", namespace: "demo", cluster_id: CLUSTER_ID },
      404,
      "pod_not_found",
    ],
    [
      "a pod whose UID is another one's",
      "POST",
      "/checkpoint/pod",
      { pod_id: NOBODY, pod_name: "web", namespace: "demo" },
      404,
      "pod_not_found",
    ],
    [
      "the placeholder of a cluster",
      "POST",
      "/checkpoint/pod",
      { pod_name: "web", namespace: "demo", cluster_id: "test-cluster-placeholder" },
      404,
      "cluster_not_found",
    ],
    [
      "a kind that is not offered",
      "POST",
      "/checkpoint/pod",
      { pod_id: NOBODY, kind: "rootfs" },
      400,
      "kind_unsupported",
    ],
    [
      "overrides",
      "POST",
      "/checkpoint/pod",
      { pod_id: NOBODY, overrides: { criu_opts: "{}" } },
      400,
      "overrides_unsupported",
    ],
    [
      "another folder of runc",
      "POST",
      "/checkpoint/pod",
      { pod_id: NOBODY, runc_root: "/tmp/evil" },
      400,
      "runc_root_unknown",
    ],
    ["a restore of nothing", "POST", "/restore/pod", {}, 400, "bad_request"],
    ["a restore of an unknown action", "POST", "/restore/pod", { action_id: NOBODY }, 404, "action_not_found"],
    ["an unknown action", "GET", `/actions/${NOBODY}`, undefined, 404, "action_not_found"],
    ["an unknown status", "GET", `/checkpoint/status/${NOBODY}`, undefined, 404, "action_not_found"],
    ["a pod without actions", "GET", `/actions/from_pod/${NOBODY}`, undefined, 404, "action_not_found"],
    ["an unknown type of action", "GET", "/actions?type=magic", undefined, 400, "bad_request"],
    ["an unknown checkpoint", "PATCH", `/checkpoints/deprecate/${NOBODY}`, undefined, 404, "checkpoint_not_found"],
    ["an unknown path", "GET", "/nothing", undefined, 404, "not_found"],
    ["another method", "PUT", "/user", undefined, 404, "not_found"],
  ])("refuses %s", async (_what, method, path, body, status, code) => {
    const answer = await call(method, path, body);
    expect([answer.status, answer.json]).toEqual([
      status,
      { message: expect.stringMatching(/\w/), cedana_error_code: expect.any(Number), code },
    ]);
  });

  test("refuses a pod of a cluster that it does not run in", async () => {
    const { text: other } = await call("POST", "/cluster", { cluster_name: `elsewhere-${version}` });
    expect(
      (await call("POST", "/checkpoint/pod", { pod_name: "web", namespace: "demo", cluster_id: other })).json,
    ).toMatchObject({ code: "wrong_cluster" });
  });

  test.each<[string, Record<string, string>]>([
    ["no token", { authorization: "" }],
    ["another token", { authorization: "Bearer wrong" }],
    ["another scheme", { authorization: `Basic ${TOKEN}` }],
    ["part of the token", { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
    ["the agents' token", { authorization: `Bearer ${AGENT_TOKEN}` }],
  ])("refuses %s on every path", async (_what, headers) => {
    for (const [method, path] of [
      ["GET", "/user"],
      ["GET", "/cluster"],
      ["POST", "/checkpoint/pod"],
      ["GET", "/actions"],
      ["PATCH", `/checkpoints/deprecate/${NOBODY}`],
      ["GET", "/nothing"],
    ] as const) {
      const answer = await rig.call(method, `/${version}${path}`, undefined, headers);
      expect([answer.status, answer.json.code, answer.headers.get("www-authenticate")]).toEqual([
        401,
        "unauthorized",
        "Bearer",
      ]);
    }
    expect((await rig.call("POST", "/internal/purge", undefined, headers)).status).toBe(401);
  });

  test("serves health to all, and logs requests with their ids and no token", async () => {
    for (const path of ["/healthz", "/readyz"])
      expect((await rig.call("GET", path, undefined, { authorization: "" })).text).toBe("ok");
    expect(
      (await rig.call("GET", `/${version}/user?secret=x`, undefined, { "x-request-id": "trace-me" })).headers.get(
        "x-request-id",
      ),
    ).toBe("trace-me");
    expect(rig.lines).toContainEqual(
      expect.objectContaining({ reqId: "trace-me", path: `/${version}/user`, status: 200, msg: "request" }),
    );
    expect(inspect(rig.lines, { depth: 10, maxArrayLength: null })).not.toMatch(/(api|agent)-token/);
  });
});

describe("The propagator's own cluster", () => {
  const rig = new Rig();
  beforeAll(() => rig.start({ PROPAGATOR_CLUSTER_ID: "" }));
  afterAll(() => rig.stop());

  test("keeps the id that it made up, is forgotten with its checkpoints, and replaced by the next registration", async () => {
    const [own] = (await rig.call("GET", "/v2/cluster")).json as { id: string }[];
    expect(own!.id).toMatch(UUID);
    await rig.propagator.close(5_000);
    await rig.start({ PROPAGATOR_CLUSTER_ID: "" });
    expect((await rig.call("GET", "/v2/cluster")).json).toEqual([expect.objectContaining({ id: own!.id })]);

    const web = rig.cluster.set(pod("web"));
    rig.tool.container("4f".repeat(32));
    await rig.ended(await rig.checkpoint(web.metadata.uid));
    expect(rig.tool.stored).toHaveLength(1);
    await rig.call("DELETE", `/v2/cluster/${own!.id}`);
    expect(rig.tool.stored).toEqual([]);
    for (const path of ["/v2/cluster", "/v2/actions", "/v2/checkpoints"])
      expect((await rig.call("GET", path)).json).toEqual([]);
    expect((await rig.call("POST", "/v2/checkpoint/pod", { pod_id: web.metadata.uid })).json).toMatchObject({
      code: "no_cluster",
    });
    const { text: next } = await rig.call("POST", "/v2/cluster", { cluster_name: "next" });
    expect((await rig.call("GET", "/v2/cluster")).json).toEqual([expect.objectContaining({ id: next, own: true })]);
    await rig.ended(await rig.checkpoint(web.metadata.uid));
  });
});
