import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { freePort, ServiceProcesses } from "../../common/test/service-process";

describe("Bay's process", () => {
  const processes = new ServiceProcesses(path.resolve(__dirname, "../src/server.ts"));
  const { folder } = processes;
  afterAll(() => {
    processes.close();
  });
  const start = (config: string, env: NodeJS.ProcessEnv = {}) =>
    processes.start([], { BAY_CONFIG_FILE: processes.file("config.yaml", config), BAY_DATA_DIR: folder, ...env });

  test("does not start with a bad configuration, and names all of its problems at once", async () => {
    const { child, output } = start(
      "driver: {type: k8s, k8s: {max_parallel_starts: 0, namespace: Not_DNS, default_storage_size: lots}}\nserver: {port: 99999, metrics_port: soon}\ndatabase: {url: 'postgresql://host/db'}\nprofiles: [{id: a, resources: {memory: much}}]\nsurprise: 1\n",
    );
    const [code] = (await once(child, "close")) as [number];
    const { problems, msg } = JSON.parse(output.err) as { problems: string[]; msg: string };
    expect([code, msg]).toEqual([1, "Bay cannot start"]);
    expect(problems.map((problem) => problem.split(":")[0]).sort()).toEqual([
      "database.url",
      "driver.k8s.default_storage_size",
      "driver.k8s.max_parallel_starts",
      "driver.k8s.namespace",
      "profiles.0.resources.memory",
      "server.metrics_port",
      "server.port",
      "surprise",
    ]);
  });

  test("does not start without its surroundings, and names all that is missing at once", async () => {
    const { child, output } = start(
      "driver: {type: k8s, k8s: {kubeconfig: /no/such/kubeconfig}}\ndatabase: {url: 'sqlite:////no/such/folder/bay.db'}\n",
    );
    const [code] = (await once(child, "close")) as [number];
    const { problems } = JSON.parse(output.err) as { problems: string[] };
    expect(code).toBe(1);
    expect(problems).toEqual([
      expect.stringMatching(/^database\.url: .*\/no\/such\/folder\/bay\.db/),
      expect.stringMatching(/^driver\.k8s: .*\/no\/such\/kubeconfig/),
    ]);
  });

  test("serves while its cluster cannot be reached, logs each request with its id and no secret, and ends well when it is told to", async () => {
    const [api, metrics] = [await freePort(), await freePort()];
    const { child, output, says } = start(
      `driver: {type: k8s, k8s: {kubeconfig: ${processes.kubeconfig()}}}\nserver: {host: 127.0.0.1, port: ${api}, metrics_port: ${metrics}}\ndatabase: {url: 'sqlite:///kept.db'}\n`,
      { BAY_API_KEY: "planted-key" },
    );
    await says("Bay listens");
    const answer = await fetch(`http://127.0.0.1:${api}/v1/sandboxes?limit=3`, {
      headers: { authorization: "Bearer planted-key", "x-request-id": "trace-me" },
    });
    expect([answer.status, answer.headers.get("x-request-id")]).toEqual([200, "trace-me"]);
    expect(await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()).toContain(
      "process_resident_memory_bytes",
    );
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([0, null]);
    const lines = output.out
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: "info",
        reqId: "trace-me",
        method: "GET",
        path: "/v1/sandboxes",
        status: 200,
        msg: "request",
      }),
    );
    expect(lines.at(-1)).toMatchObject({ msg: "Bay has ended", whole: true });
    expect(output.out + output.err).not.toMatch(/planted-/);
    expect(existsSync(path.join(folder, "kept.db"))).toBe(true);
  });
});
