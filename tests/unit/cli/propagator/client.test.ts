import { inspect } from "node:util";
import { PropagatorClient } from "../../../../cli/propagator/client";
import { PropagatorError } from "../../../../cli/propagator/errors";
import { Scripted, type Reply } from "./server";

const TOKEN = "planted-token-7f3a";
const ID = "0c9f2b6e-1d2a-4c55-8a3f-9b6d7e5f4a21";

describe("The propagator's client", () => {
  const server = new Scripted();
  let client: PropagatorClient;
  let url: string;
  beforeAll(async () => {
    url = await server.start();
    client = new PropagatorClient({ url: `${url}/v1/`, token: TOKEN });
  });
  beforeEach(() => {
    server.seen.length = 0;
  });
  afterAll(async () => {
    client.close();
    await server.stop();
  });
  const failure = async (
    reply: Reply,
    call: () => Promise<unknown> = () => client.user(),
  ): Promise<PropagatorError> => {
    server.answer = () => reply;
    return call().then(
      () => {
        throw new Error("the call succeeded");
      },
      (error: PropagatorError) => error,
    );
  };

  test.each<[string, () => Promise<unknown>, string, string, unknown, string, unknown]>([
    ["the user", () => client.user(), "GET", "/v2/user", undefined, "somebody\n", "somebody"],
    [
      "clusters",
      () => client.clusters({ kind: "kubernetes" }),
      "GET",
      "/v2/cluster?kind=kubernetes",
      undefined,
      `[{"id":"${ID}"}]`,
      [{ id: ID }],
    ],
    ["no clusters", () => client.clusters(), "GET", "/v2/cluster", undefined, "null", []],
    [
      "a registration",
      () => client.registerCluster("mine"),
      "POST",
      "/v2/cluster",
      { cluster_name: "mine" },
      `"${ID}"`,
      ID,
    ],
    [
      "a deregistration",
      () => client.deregisterCluster(ID),
      "DELETE",
      `/v2/cluster/${ID}`,
      undefined,
      `"done"`,
      "done",
    ],
    [
      "a checkpoint by UID",
      () => client.checkpointPod({ pod_id: "u", runc_root: "/r" }),
      "POST",
      "/v2/checkpoint/pod",
      { pod_id: "u", runc_root: "/r" },
      ID,
      ID,
    ],
    [
      "a checkpoint by name",
      () => client.checkpointPod({ pod_name: "p", namespace: "n", cluster_id: ID }),
      "POST",
      "/v2/checkpoint/pod",
      { pod_name: "p", namespace: "n", cluster_id: ID },
      ` "${ID}" \n`,
      ID,
    ],
    [
      "a status",
      () => client.checkpointStatus(ID),
      "GET",
      `/v2/checkpoint/status/${ID}`,
      undefined,
      `{"status":"ready","details":null}`,
      { status: "ready", details: null },
    ],
    [
      "a restore",
      () => client.restorePod({ action_id: ID, cluster_id: "c" }),
      "POST",
      "/v2/restore/pod",
      { action_id: ID, cluster_id: "c", reason: "manual" },
      ID,
      ID,
    ],
    [
      "actions",
      () => client.actions({ type: "restore_pod", cluster_id: "c" }),
      "GET",
      "/v2/actions?type=restore_pod&cluster_id=c",
      undefined,
      `[{"action_id":"${ID}"}]`,
      [{ action_id: ID }],
    ],
    [
      "an action",
      () => client.action(ID),
      "GET",
      `/v2/actions/${ID}`,
      undefined,
      `{"action_id":"${ID}","checkpoint_size":7}`,
      { action_id: ID, checkpoint_size: 7 },
    ],
    [
      "the latest action of a pod",
      () => client.latestActionOfPod("u/x"),
      "GET",
      "/v2/actions/from_pod/u%2Fx",
      undefined,
      ID,
      ID,
    ],
    [
      "checkpoints",
      () => client.checkpoints({ cluster_id: "c", ids: ["a", "b"] }),
      "GET",
      "/v2/checkpoints?cluster_id=c&ids=a,b",
      undefined,
      "[]",
      [],
    ],
    [
      "a deprecation",
      () => client.deprecateCheckpoint(ID),
      "PATCH",
      `/v2/checkpoints/deprecate/${ID}`,
      undefined,
      "deprecated",
      "deprecated",
    ],
  ])("asks for %s as the contract has it", async (_what, call, method, path, body, answer, expected) => {
    server.answer = () => ({ body: answer });
    expect(await call()).toEqual(expected);
    const [seen] = server.seen;
    expect({ ...seen, path: decodeURIComponent(seen!.path) }).toMatchObject({
      method,
      path: decodeURIComponent(path),
      body,
    });
    expect(seen!.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  test("speaks the newest version where it is told to", async () => {
    const newest = new PropagatorClient({ url, token: TOKEN, api: "v1" });
    server.answer = () => ({ body: "[]" });
    await newest.clusters();
    expect(server.seen[0]!.path).toBe("/v1/cluster");
    newest.close();
  });

  test.each<[string, Reply, object]>([
    [
      "a message and Cedana's number",
      { status: 404, body: `{"message":"no such pod","cedana_error_code":17}` },
      { status: 404, message: "GET /v2/user answered 404 (17): no such pod" },
    ],
    [
      "a message and a readable reason",
      { status: 400, body: `{"message":"it has a terminal","cedana_error_code":17,"code":"tty"}` },
      { status: 400, reason: "tty", message: "GET /v2/user answered 400 (tty): it has a terminal" },
    ],
    [
      "a code, a message and details",
      { status: 500, body: `{"code":"500","message":"failed","details":{"why":"disk"}}` },
      { status: 500, reason: undefined, message: `GET /v2/user answered 500: failed ({"why":"disk"})` },
    ],
    [
      "a gateway's plain text",
      { status: 503, body: "upstream connect error", type: "text/plain" },
      { status: 503, message: "GET /v2/user answered 503: upstream connect error", mayPass: true },
    ],
    [
      "nulls",
      { status: 401, body: `{"message":null,"cedana_error_code":null}` },
      { status: 401, message: "GET /v2/user answered 401: Unauthorized", mayPass: false },
    ],
    ["nothing", { status: 502 }, { status: 502, message: "GET /v2/user answered 502: Bad Gateway" }],
    ["another good status", { status: 201, body: "x" }, { status: 201 }],
    [
      "a redirection, which is not followed",
      { status: 301, headers: { location: "http://elsewhere.invalid/" } },
      { status: 301 },
    ],
  ])("reads a refusal that is %s", async (_what, reply, expected) => {
    const error = await failure(reply);
    expect(error).toBeInstanceOf(PropagatorError);
    expect({
      status: error.status,
      reason: error.reason,
      message: error.message,
      mayPass: error.mayPass,
    }).toMatchObject(expected);
    expect(server.seen).toHaveLength(1);
  });

  test("keeps the status and the body of a refusal", async () => {
    expect(await failure({ status: 400, body: `{"message":"no","extra":1}` })).toMatchObject({
      status: 400,
      body: `{"message":"no","extra":1}`,
    });
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ["an id that is none", () => client.restorePod({ action_id: ID }), "not-an-id"],
    ["an id in upper case", () => client.restorePod({ action_id: ID }), ID.toUpperCase()],
    ["a list that is none", () => client.checkpoints(), `{"checkpoints":[]}`],
    ["JSON that is none", () => client.action(ID), "<html>"],
  ])("refuses %s", async (_what, call, body) => {
    const error = await failure({ body }, call);
    expect([error.status, error.message]).toEqual([200, expect.stringContaining("wanted")]);
  });

  test("says that there was no answer", async () => {
    expect(await failure("break off")).toMatchObject({
      status: 0,
      mayPass: true,
      message: expect.stringMatching(/^GET \/v2\/user had no answer: /),
    });
    const nowhere = new PropagatorClient({ url: "http://127.0.0.1:1", token: TOKEN });
    await expect(nowhere.user()).rejects.toMatchObject({ status: 0, message: expect.stringContaining("ECONNREFUSED") });
  });

  test("gives up on a propagator that is silent", async () => {
    const hasty = new PropagatorClient({ url, token: TOKEN, timeout: 50 });
    server.answer = () => {
      server.answer = () => ({ body: "late" });
      return { status: 200, headers: { "content-length": "100" } };
    };
    await expect(hasty.user()).rejects.toMatchObject({ status: 0 });
    hasty.close();
  });

  test("shows the token in no error and no look at it, not even when the propagator says it back", async () => {
    const errors = [
      await failure({ status: 400, body: `{"message":"bad ${TOKEN}"}` }),
      await failure("break off"),
      await failure({ body: TOKEN }, () => client.restorePod({ action_id: ID })),
    ];
    for (const shown of [...errors, client])
      expect(
        inspect(shown, { depth: 10, showHidden: true }) + JSON.stringify(shown) + String((shown as Error).stack),
      ).not.toContain(TOKEN);
    expect(errors[0]!.body).toContain("[token]");
  });
});
