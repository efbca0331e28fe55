import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { freePort, ServiceProcesses } from "../../common/test/service-process";
import { AGENT_TOKEN, TOKEN } from "./support/propagator";
import { ToolStandIn } from "./support/tool";

describe("The propagator's process", () => {
  const processes = new ServiceProcesses(path.resolve(__dirname, "../src/server.ts"));
  const { folder } = processes;
  afterAll(() => {
    processes.close();
  });
  const start = (role: string, env: NodeJS.ProcessEnv = {}) => processes.start([role], env);

  test.each<[string, string, NodeJS.ProcessEnv, string[]]>([
    [
      "as a server",
      "server",
      {
        PROPAGATOR_TOKEN: "short-secret",
        PROPAGATOR_PORT: "99999",
        PROPAGATOR_CLUSTER_ID: "mine",
        PROPAGATOR_DATABASE: "here",
        PROPAGATOR_KEEP: "none",
      },
      [
        "PROPAGATOR_AGENT_TOKEN",
        "PROPAGATOR_CLUSTER_ID",
        "PROPAGATOR_DATABASE",
        "PROPAGATOR_KEEP",
        "PROPAGATOR_PORT",
        "PROPAGATOR_TOKEN",
      ],
    ],
    [
      "as an agent",
      "agent",
      { PROPAGATOR_TOOL: "runc-cr", PROPAGATOR_STORE: "store", PROPAGATOR_LOG_LEVEL: "loud" },
      ["PROPAGATOR_AGENT_TOKEN", "PROPAGATOR_LOG_LEVEL", "PROPAGATOR_STORE", "PROPAGATOR_TOOL"],
    ],
  ])(
    "does not start %s with a bad environment, and names all of its problems at once",
    async (_what, role, env, expected) => {
      const { child, output } = start(role, env);
      const [code] = (await once(child, "close")) as [number];
      const { problems } = JSON.parse(output.err) as { problems: string[] };
      expect([code, problems.map((problem) => problem.split(":")[0]).sort()]).toEqual([1, expected]);
      expect(output.err).not.toContain("short-secret");
    },
  );

  test("does not start without a role that it knows, or without a cluster", async () => {
    const unknown = start("manager");
    expect(await once(unknown.child, "close")).toEqual([1, null]);
    expect(unknown.output.err).toContain("server, agent, purge");
    const lost = start("server", { PROPAGATOR_TOKEN: TOKEN, PROPAGATOR_AGENT_TOKEN: AGENT_TOKEN });
    expect(await once(lost.child, "close")).toEqual([1, null]);
    expect(lost.output.err).toContain("service account");
  });

  test("serves while its cluster cannot be reached, says that it is not ready, and ends well when it is told to, without a secret in its log", async () => {
    const [port, metrics] = [await freePort(), await freePort()];
    const { child, output, says } = start("server", {
      PROPAGATOR_TOKEN: TOKEN,
      PROPAGATOR_AGENT_TOKEN: AGENT_TOKEN,
      PROPAGATOR_HOST: "127.0.0.1",
      PROPAGATOR_PORT: String(port),
      PROPAGATOR_METRICS_PORT: String(metrics),
      PROPAGATOR_DATABASE: path.join(folder, "kept.db"),
      PROPAGATOR_KUBECONFIG: processes.kubeconfig(),
    });
    await says("the propagator listens");
    const call = (where: string, init: RequestInit = {}) =>
      fetch(`http://127.0.0.1:${port}${where}`, { headers: { authorization: `Bearer ${TOKEN}` }, ...init });
    expect((await call("/readyz")).status).toBe(503);
    expect((await call("/v2/cluster")).status).toBe(200);
    const answer = await call("/v2/checkpoint/pod", { method: "POST", body: JSON.stringify({ pod_id: "x" }) });
    expect([answer.status, await answer.json()]).toEqual([
      503,
      expect.objectContaining({ code: "cluster_unreachable" }),
    ]);
    const figures = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
    expect(figures).toMatch(
      /propagator_http_requests_total\{route="\/v2\/checkpoint\/pod",method="POST",status="503"\} 1[\s\S]*process_resident_memory_bytes/,
    );
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([0, null]);
    expect(output.out + output.err).not.toMatch(/planted-token|(api|agent)-token/);
    expect(existsSync(path.join(folder, "kept.db"))).toBe(true);
  });

  test("serves a node, and purges", async () => {
    const tool = new ToolStandIn(folder);
    const port = await freePort();
    const agent = start("agent", {
      PROPAGATOR_AGENT_TOKEN: AGENT_TOKEN,
      PROPAGATOR_HOST: "127.0.0.1",
      PROPAGATOR_AGENT_PORT: String(port),
      PROPAGATOR_AGENT_METRICS_PORT: "0",
      PROPAGATOR_TOOL: JSON.stringify(tool.command),
      PROPAGATOR_STORE: tool.store,
    });
    await agent.says("the agent listens");
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    const purge = start("purge", { PROPAGATOR_URL: `http://127.0.0.1:${port}`, PROPAGATOR_TOKEN: TOKEN });
    expect(await once(purge.child, "close")).toEqual([1, null]); // an agent is no server
    expect(purge.output.err).toContain("answered 401");
    agent.child.kill("SIGTERM");
    expect(await once(agent.child, "close")).toEqual([0, null]);
    const alone = start("purge", { PROPAGATOR_URL: `http://127.0.0.1:${port}`, PROPAGATOR_TOKEN: TOKEN });
    expect(await once(alone.child, "close")).toEqual([1, null]);
    expect(alone.output.err).toMatch(/does not answer: .*ECONNREFUSED.*\/var\/lib\/runc-cr/);
  });
});
