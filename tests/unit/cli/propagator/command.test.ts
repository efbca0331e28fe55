import { checkpointsCommand, type CheckpointsOptions } from "../../../../cli/commands/checkpoints";
import { openStackTarget } from "../../../../cli/propagator/target";
import { pod } from "../../../../images/propagator/test/support/cluster";
import type { CheckpointOutput } from "../../../../infra/outputs";
import { CLUSTER_ID, Rig, TOKEN } from "../../../../images/propagator/test/support/propagator";

const NONE: CheckpointsOptions = { removed: false, yes: false, json: false };
const CONTAINER = "4f".repeat(32);

describe("npm run checkpoints, with the propagator of the environment", () => {
  const rig = new Rig();
  const before = { ...process.env };
  let output = { out: "", err: "" };
  let checkpoint: string;
  beforeAll(async () => {
    await rig.start();
    Object.assign(process.env, { CEDANA_AUTH_TOKEN: TOKEN, CEDANA_URL: `${rig.propagator.url}/v1` });
    rig.tool.container(CONTAINER);
    const web = rig.cluster.set(pod("web"));
    checkpoint = (await rig.ended(await rig.checkpoint(web.metadata.uid))).checkpoint_id as string;
    rig.tool.container(CONTAINER, { code: "traced", message: "somebody debugs it" });
    await rig.ended(await rig.checkpoint(web.metadata.uid));
  });
  beforeEach(() => {
    output = { out: "", err: "" };
    jest.spyOn(process.stdout, "write").mockImplementation((text) => {
      output.out += String(text);
      return true;
    });
    jest.spyOn(process.stderr, "write").mockImplementation((text) => {
      output.err += String(text);
      return true;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });
  afterAll(async () => {
    process.env = before;
    await rig.stop();
  });
  const call = (action: string, ids: string[] = [], options: Partial<CheckpointsOptions> = {}) =>
    checkpointsCommand(action, ids, { ...NONE, ...options });

  test("lists checkpoints for people, and says on standard error whose they are", async () => {
    expect(await call("list", [], { status: "ready" })).toBe(0);
    expect(output.out).toMatch(
      new RegExp(`^checkpoint .*\\n${checkpoint} +ready +web +demo +1 kB +61 ms +\\d{4}-.*Z +${CLUSTER_ID}\\n`),
    );
    expect(output.err).toBe(`propagator of the environment: ${rig.propagator.url}\n`);
  });

  test.each<[string, Partial<CheckpointsOptions>, number]>([
    ["all", {}, 2],
    ["a pod", { pod: "we" }, 2],
    ["another pod", { pod: "db" }, 0],
    ["a state", { status: "error" }, 1],
    ["a cluster", { cluster: CLUSTER_ID }, 2],
    ["another cluster", { cluster: "else" }, 0],
    ["an age", { youngerThan: "1h" }, 2],
    ["a great age", { olderThan: "1h" }, 0],
  ])("lists %s as JSON and nothing else", async (_what, options, count) => {
    expect(await call("list", [], { ...options, json: true })).toBe(0);
    expect(JSON.parse(output.out)).toHaveLength(count);
  });

  test("lists actions with the reason of a failure, and clusters", async () => {
    await call("actions", [], { status: "error", type: "checkpoint" });
    expect(output.out).toMatch(/error +demo\/web .*traced: somebody debugs it/);
    output.out = "";
    await call("actions", [], { type: "restore" });
    expect(output.out).toBe("No actions found.\n");
    output.out = "";
    await call("clusters");
    expect(output.out).toMatch(new RegExp(`${CLUSTER_ID} +local +active`));
  });

  test("removes what is named, goes on after what cannot be, and tells by its exit code", async () => {
    expect(await call("deprecate", ["99999999-2222-4333-8444-555555555555", checkpoint])).toBe(1);
    expect(output.out).toMatch(new RegExp(`^kept 99999999-.*checkpoint_not_found.*\\nremoved ${checkpoint}\\n$`));
    expect(rig.tool.stored).toEqual([]);
    output.out = "";
    await call("list", [], { removed: true, status: "deprecated", json: true });
    expect(JSON.parse(output.out)).toEqual([expect.objectContaining({ id: checkpoint })]);
  });

  test("removes all that the filters leave only with --yes", async () => {
    await expect(call("deprecate", [], { pod: "web" })).rejects.toMatchObject({ code: "E_USAGE" });
    expect(await call("deprecate", [], { pod: "nobody", yes: true })).toBe(0);
    expect(output.out).toBe("No checkpoints found.\n");
    output.out = "";
    expect(await call("deprecate", [], { status: "error", yes: true, json: true })).toBe(0);
    expect(JSON.parse(output.out)).toEqual([expect.objectContaining({ removed: true })]);
  });

  test.each<[string, string, string[], Partial<CheckpointsOptions>, object]>([
    ["an unknown word", "lst", [], {}, { code: "E_USAGE", next: "npm run checkpoints -- list" }],
    ["ids where there are none", "list", ["x"], {}, { code: "E_USAGE" }],
    ["an option of another action", "clusters", [], { pod: "x" }, { code: "E_USAGE", seen: "--pod with clusters" }],
    ["ids and filters", "deprecate", ["x"], { pod: "x" }, { code: "E_USAGE" }],
    ["an unknown type", "actions", [], { type: "magic" }, { code: "E_USAGE" }],
    ["an age that is none", "list", [], { olderThan: "soon" }, { code: "E_USAGE", seen: "--older-than soon" }],
  ])("refuses %s", async (_what, action, ids, options, expected) => {
    await expect(call(action, ids, options)).rejects.toMatchObject(expected);
    expect(output.out).toBe("");
  });

  test("says what is wrong with the token or the address, without the token", async () => {
    process.env["CEDANA_AUTH_TOKEN"] = "wrong-token-9d2c";
    const refused = (await call("list").catch((error: Error) => error)) as Error;
    expect(refused).toMatchObject({ code: "E_PROPAGATOR", message: expect.stringMatching(/401 \(unauthorized\)/) });
    process.env["CEDANA_URL"] = "http://127.0.0.1:1";
    const nobody = (await call("list").catch((error: Error) => error)) as Error;
    expect(nobody).toMatchObject({ code: "E_PROPAGATOR", message: expect.stringMatching(/ECONNREFUSED/) });
    expect(refused.message + nobody.message + output.err).not.toContain("wrong-token");
    Object.assign(process.env, { CEDANA_AUTH_TOKEN: TOKEN, CEDANA_URL: rig.propagator.url });
  });
});

describe("A stack's propagator", () => {
  const there: CheckpointOutput = {
    source: "cedana",
    reason: "",
    url: "https://host/v1",
    forward: null,
    clusterId: "k",
    namespace: "n",
    release: "r",
    chart: "c 1",
  };

  test("is where its outputs say", async () => {
    const target = await openStackTarget("mine", { kubeconfig: "", checkpoint: there, propagatorToken: "t" });
    expect(target).toMatchObject({ url: "https://host/v1", token: "t", clusterId: "k", origin: "stack mine" });
    expect(target.client.url).toBe("https://host");
    await target.close();
  });

  test("that is not there is an error, with the reason", async () => {
    const none: CheckpointOutput = { ...there, source: "none", url: "", reason: "the nodes have no runtime" };
    await expect(
      openStackTarget("mine", { kubeconfig: "", checkpoint: none, propagatorToken: "" }),
    ).rejects.toMatchObject({
      code: "E_PROPAGATOR_TARGET",
      seen: "stack mine has no propagator: the nodes have no runtime",
    });
  });
});
