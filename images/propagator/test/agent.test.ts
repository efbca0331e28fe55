import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pino } from "pino";
import { type RunningAgent, runAgent } from "../src/agent/agent";
import { AgentClient } from "../src/agent/client";
import { NodeTool } from "../src/agent/tool";
import { AGENT_TOKEN } from "./support/propagator";
import { ToolStandIn } from "./support/tool";

const ID = "0c9f2b6e-1d2a-4c55-8a3f-9b6d7e5f4a21";
const CONTAINER = "4f".repeat(32);
const DUMP = { container: CONTAINER, runcRoot: "/run/containerd/runc/k8s.io", maxBytes: 5000 };

describe("A node's agent", () => {
  let folder: string;
  let tool: ToolStandIn;
  let agent: RunningAgent;
  const start = async (command?: string[]): Promise<RunningAgent> =>
    runAgent({
      tool: new NodeTool(command ?? tool.command, tool.store),
      token: AGENT_TOKEN,
      runcRoots: ["/run/containerd/runc/k8s.io", "/run/other"],
      host: "127.0.0.1",
      port: 0,
      log: pino({ level: "silent" }),
    });
  const client = (token = AGENT_TOKEN): AgentClient => new AgentClient(agent.url, token);
  const never = new AbortController().signal;
  beforeEach(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), "propagator-agent-"));
    tool = new ToolStandIn(folder);
    agent = await start();
  });
  afterEach(async () => {
    await agent.close(5_000);
    rmSync(folder, { recursive: true });
  });

  test("dumps, lists and removes by the node's tool, which gets what was asked for", async () => {
    tool.container(CONTAINER);
    const manifest = await client().dump(ID, DUMP, 5_000, never);
    expect(manifest).toMatchObject({ id: ID, bytes: 1000, freezeMicroseconds: 61000 });
    expect((await client().list()).checkpoints).toEqual([expect.objectContaining({ id: ID })]);
    await client().remove(ID);
    await client().remove(ID); // one that is gone is no error
    expect(tool.calls).toEqual(["sweep", "check", `dump ${CONTAINER} ${ID}`, "list", `remove ${ID}`, `remove ${ID}`]);
  });

  test("makes one dump of an id, asked for twice at once or again later", async () => {
    tool.container(CONTAINER);
    const [one, two] = await Promise.all([
      client().dump(ID, DUMP, 5_000, never),
      client().dump(ID, DUMP, 5_000, never),
    ]);
    expect(one).toEqual(two);
    expect(await client().dump(ID, DUMP, 5_000, never)).toEqual(one);
    expect(tool.stored).toEqual([ID]);
    tool.container("ab".repeat(32));
    await expect(client().dump(ID, { ...DUMP, container: "ab".repeat(32) }, 5_000, never)).rejects.toMatchObject({
      code: "exists",
    });
  });

  test("hands on the tool's code, words and CRIU's lines", async () => {
    tool.container(CONTAINER, { code: "io_uring", message: "it has one", criu: ["a", "b"] });
    await expect(client().dump(ID, DUMP, 5_000, never)).rejects.toMatchObject({
      code: "io_uring",
      message: "it has one",
      criu: ["a", "b"],
    });
  });

  test.each<[string, string, object]>([
    ["a path for a container", ID, { ...DUMP, container: "../x" }],
    ["a word that begins with a dash", ID, { ...DUMP, runcRoot: "--help" }],
    ["a word too much", ID, { ...DUMP, more: 1 }],
    ["an id that is none", "not-an-id", DUMP],
  ])("refuses %s before the tool sees it", async (_what, id, body) => {
    await expect(client().dump(id, body as never, 5_000, never)).rejects.toMatchObject({
      code: "agent_failed",
      message: expect.stringContaining("400"),
    });
    expect(tool.calls.filter((call) => call.startsWith("dump"))).toEqual([]);
  });

  test.each(["/run/elsewhere", "/run/containerd/runc/k8s.io/", "/run/containerd/runc/k8s.io/../other", "/"])(
    "refuses runc's states in %s, which are none of its own",
    async (runcRoot) => {
      tool.container(CONTAINER);
      const response = await fetch(`${agent.url}/dumps/${ID}`, {
        method: "PUT",
        headers: { authorization: `Bearer ${AGENT_TOKEN}` },
        body: JSON.stringify({ ...DUMP, runcRoot }),
      });
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
        400,
        runcRoot === "/" ? "bad_request" : "runc_root_unknown",
      ]);
      expect(tool.calls.filter((call) => call.startsWith("dump"))).toEqual([]);
      expect(await client().dump(ID, { ...DUMP, runcRoot: "/run/other" }, 5_000, never)).toMatchObject({ id: ID });
    },
  );

  test("answers the server only", async () => {
    await expect(client("another-token-0123456789").list()).rejects.toMatchObject({
      message: expect.stringContaining("401"),
    });
    for (const [method, route] of [
      ["PUT", `/dumps/${ID}`],
      ["GET", "/checkpoints"],
      ["DELETE", `/checkpoints/${ID}`],
      ["GET", "/check"],
      ["POST", `/checkpoints/${ID}/verify`],
    ] as const) {
      expect((await fetch(agent.url + route, { method })).status).toBe(401);
    }
  });

  test("is ready only on a node that has all that is needed, and says what is missing", async () => {
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200);
    await agent.close(5_000);
    tool.set("broken");
    agent = await start();
    const answer = await fetch(`${agent.url}/readyz`);
    expect([answer.status, await answer.text()]).toEqual([503, "criu: found 3.17, needed 4.2; install criu 4.2"]);
    expect((await fetch(`${agent.url}/healthz`)).status).toBe(200);
  });

  test.each<[string, string[]]>([
    ["is not there", ["/no/such/nsenter", "runc-cr"]],
    [
      "cannot be entered",
      [
        process.execPath,
        "-e",
        "process.stderr.write('nsenter: failed to execute runc-cr: No such file or directory'); process.exit(1)",
      ],
    ],
  ])("says that the node's tool %s", async (_what, command) => {
    await agent.close(5_000);
    agent = await start(command);
    await expect(client().list()).rejects.toMatchObject({ code: "tool_missing" });
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(503);
  });

  test("lets a dump end before it does", async () => {
    tool.container(CONTAINER);
    tool.set("hold");
    const dump = client().dump(ID, DUMP, 20_000, never);
    while (tool.calls.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    const closing = agent.close(20_000);
    rmSync(path.join(folder, "hold"));
    expect(await closing).toBe(true);
    expect(await dump).toMatchObject({ id: ID });
  });

  test("that is silent, or not there, is told apart from a refusal", async () => {
    tool.container(CONTAINER);
    tool.set("hold");
    await expect(client().dump(ID, DUMP, 50, never)).rejects.toMatchObject({ code: "agent_timeout" });
    await expect(client().dump(ID, DUMP, 20_000, AbortSignal.timeout(30))).rejects.toMatchObject({
      code: "interrupted",
    });
    rmSync(path.join(folder, "hold"));
    await expect(new AgentClient("http://127.0.0.1:1", AGENT_TOKEN).list()).rejects.toMatchObject({
      code: "agent_unavailable",
    });
  });
});
