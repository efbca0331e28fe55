import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { until } from "./support/bay";

const SERVER = path.resolve(__dirname, "../src/server.ts");
const KUBECONFIG = `
current-context: none
contexts: [{name: none, context: {cluster: none, user: none}}]
clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: none, user: {token: planted-token}}]
`;

describe("Bay's process", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "bay-process-"));
  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });
  const start = (config: string, env: NodeJS.ProcessEnv = {}) => {
    const file = path.join(folder, `config-${children.length}.yaml`);
    writeFileSync(file, config);
    const child = spawn(process.execPath, ["--import", "tsx", SERVER], { env: { PATH: process.env["PATH"], BAY_CONFIG_FILE: file, BAY_DATA_DIR: folder, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    children.push(child);
    const output = { out: "", err: "" };
    child.stdout!.on("data", (chunk: Buffer) => { output.out += chunk.toString(); });
    child.stderr!.on("data", (chunk: Buffer) => { output.err += chunk.toString(); });
    return { child, output, lines: () => output.out.split("\n").filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>) };
  };
  const freePort = async (): Promise<number> => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return port;
  };

  test("does not start with a bad configuration, and names all of its problems at once", async () => {
    const { child, output } = start("driver: {type: k8s, k8s: {max_parallel_starts: 0, namespace: Not_DNS, default_storage_size: lots}}\nserver: {port: 99999, metrics_port: soon}\ndatabase: {url: 'postgresql://host/db'}\nprofiles: [{id: a, resources: {memory: much}}]\nsurprise: 1\n");
    const [code] = await once(child, "close") as [number];
    const { problems, msg } = JSON.parse(output.err) as { problems: string[]; msg: string };
    expect([code, msg]).toEqual([1, "Bay cannot start"]);
    expect(problems.map((problem) => problem.split(":")[0]).sort()).toEqual([
      "database.url", "driver.k8s.default_storage_size", "driver.k8s.max_parallel_starts", "driver.k8s.namespace", "profiles.0.resources.memory", "server.metrics_port", "server.port", "surprise",
    ]);
  });

  test("does not start without its surroundings, and names all that is missing at once", async () => {
    const { child, output } = start("driver: {type: k8s, k8s: {kubeconfig: /no/such/kubeconfig}}\ndatabase: {url: 'sqlite:////no/such/folder/bay.db'}\n");
    const [code] = await once(child, "close") as [number];
    const { problems } = JSON.parse(output.err) as { problems: string[] };
    expect(code).toBe(1);
    expect(problems).toEqual([expect.stringMatching(/^database\.url: .*\/no\/such\/folder\/bay\.db/), expect.stringMatching(/^driver\.k8s: .*\/no\/such\/kubeconfig/)]);
  });

  test("serves while its cluster cannot be reached, logs each request with its id and no secret, and ends well when it is told to", async () => {
    writeFileSync(path.join(folder, "kubeconfig"), KUBECONFIG);
    const [api, metrics] = [await freePort(), await freePort()];
    const { child, output, lines } = start(
      `driver: {type: k8s, k8s: {kubeconfig: ${path.join(folder, "kubeconfig")}}}\nserver: {host: 127.0.0.1, port: ${api}, metrics_port: ${metrics}}\ndatabase: {url: 'sqlite:///kept.db'}\n`, { BAY_API_KEY: "planted-key" });
    await until("Bay listens", () => {
      if (child.exitCode !== null) throw new Error(`Bay ended: ${output.err}`);
      return output.out.includes('"Bay listens"');
    });
    const answer = await fetch(`http://127.0.0.1:${api}/v1/sandboxes?limit=3`, { headers: { authorization: "Bearer planted-key", "x-request-id": "trace-me" } });
    expect([answer.status, answer.headers.get("x-request-id")]).toEqual([200, "trace-me"]);
    expect(await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()).toContain("process_resident_memory_bytes");
    child.kill("SIGTERM");
    expect(await once(child, "close")).toEqual([0, null]);
    expect(lines()).toContainEqual(expect.objectContaining({ level: "info", reqId: "trace-me", method: "GET", path: "/v1/sandboxes", status: 200, msg: "request" }));
    expect(lines().at(-1)).toMatchObject({ msg: "Bay has ended", whole: true });
    expect(output.out + output.err).not.toMatch(/planted-/);
    expect(existsSync(path.join(folder, "kept.db"))).toBe(true);
  });
});
