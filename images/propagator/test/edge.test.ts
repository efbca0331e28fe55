import path from "node:path";
import { Database } from "../../common/src/database";
import { pod } from "./support/cluster";
import { Rig } from "./support/propagator";

describe("What the propagator is given", () => {
  const rig = new Rig();
  beforeAll(() => rig.start());
  afterAll(() => rig.stop());

  test.each(['"a\\u0000b"', '"\\ud800"', `"${"x".repeat(5_000)}"`, "1e999", "{}", "[[]]", '""', '"\\n"'])(
    "the text %s makes nothing where it is refused, and breaks no list",
    async (value) => {
      const lists = async () => [
        (await rig.call("GET", "/v2/cluster")).text,
        (await rig.call("GET", "/v2/actions")).text,
        (await rig.call("GET", "/v2/checkpoints")).text,
      ];
      const before = await lists();
      for (const [route, body] of [
        ["cluster", `{"cluster_name":${value}}`],
        ["checkpoint/pod", `{"pod_id":${value}}`],
        ["checkpoint/pod", `{"pod_name":${value},"namespace":${value},"cluster_id":${value}}`],
        ["checkpoint/pod", `{"pod_id":"x","overrides":{"a":${value}}}`],
        ["restore/pod", `{"action_id":${value},"cluster_id":${value}}`],
      ])
        expect([400, 404]).toContain((await rig.call("POST", `/v2/${route}`, body)).status);
      expect(await lists()).toEqual(before);
    },
  );

  test.each([
    "[".repeat(60_000),
    `{"pod_id":"x","overrides":{"a":${"[".repeat(30)}${"]".repeat(30)}}}`,
    `[${"[],".repeat(10_000)}[]]`,
    "",
    "null",
    '"x"',
  ])("a body of another form is a bad request (%#)", async (body) => {
    expect((await rig.call("POST", "/v2/checkpoint/pod", body)).json).toMatchObject({ code: "bad_request" });
  });

  test.each(["%00", "%", "%ff", "x%00y", "x".repeat(600), "%0a"])(
    "the name %s in a path is nothing's",
    async (name) => {
      for (const [method, route] of [
        ["GET", "actions/X"],
        ["GET", "checkpoint/status/X"],
        ["GET", "actions/from_pod/X"],
        ["DELETE", "cluster/X"],
        ["PATCH", "checkpoints/deprecate/X"],
      ]) {
        expect([400, 404]).toContain((await rig.call(method!, `/v2/${route!.replace("X", name)}`)).status);
      }
    },
  );

  test("records whose times are no dates, or that cannot be read, break no list", async () => {
    rig.cluster.set(pod("web"));
    const action = await rig.checkpoint([...rig.cluster.pods.values()][0]!.metadata.uid);
    await rig.ended(action);
    const database = new Database(
      path.join(rig.folder, "propagator.db"),
      [{ version: 9, name: "none", sql: "SELECT 1" }],
      { owner: "test", setting: "none" },
    );
    database.run("UPDATE actions SET created_at = 1e300, ended_at = -1e300, request = '{half', failure = '[\"\"'");
    database.run("UPDATE checkpoints SET created_at = 9e999, info = '{half', pod = '{half'");
    database.run("UPDATE clusters SET created_at = -1e300");
    database.close();
    for (const route of ["cluster", "actions", "checkpoints", `actions/${action}`, `checkpoint/status/${action}`])
      expect([route, (await rig.call("GET", `/v2/${route}`)).status]).toEqual([route, 200]);
  });
});
