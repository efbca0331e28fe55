import { run, tryRun } from "../../infra/support/exec";
import { substitutes } from "../images";
import { OFFICIAL_IMAGES } from "../versions";
import { containerAddress, inNode, present, TestCluster } from "./testing";

jest.setTimeout(180_000);

const image = substitutes()[OFFICIAL_IMAGES.node]!;
const base = substitutes()[OFFICIAL_IMAGES.bay]!;
const made = present(image) && present(base);
const suite = made ? describe : describe.skip;

const network = `bay-e2e-agents-test-${process.pid}`;
const [server, agent, stranger, other] = ["server", "agent", "stranger", "other"].map(
  (role) => `${network}-${role}`,
) as [string, string, string, string];
const nodes = new TestCluster(server, base);

suite(
  `a k3s server's stand-in with an agent${made ? "" : " (skipped: not made on this host; node --import tsx offline/main.ts ensure)"}`,
  () => {
    beforeAll(async () => {
      await run(["docker", "network", "create", network]);
      await start(server, "right", "server", "--tls-san=127.0.0.1", "--disable=traefik,servicelb,metrics-server");
      await start(agent, "right", "agent", `--server=https://${server}:6443`);
      await nodes.until(ready, (states) => states === "True True");
      for (const node of [server, agent])
        await run([
          "bash",
          "-o",
          "pipefail",
          "-c",
          `docker save ${base} | docker exec -i ${node} ctr -n k8s.io images import --local -`,
        ]);
      await nodes.until(
        () => nodes.kubectl("get", "serviceaccount", "default", "-o", "name"),
        (seen) => seen === "serviceaccount/default",
      );
      await nodes.runPair(server, agent);
    }, 240_000);

    afterAll(async () => {
      await tryRun(["docker", "rm", "-f", "-v", server, agent, stranger, other]);
      await tryRun(["docker", "volume", "rm", ...[server, agent, stranger].flatMap(volumesOf)]);
      await tryRun(["docker", "network", "rm", network]);
    }, 60_000);

    it("lets in nobody with another token, and says so on both sides", async () => {
      await start(stranger, "wrong", "agent", `--server=https://${server}:6443`);
      await nodes.until(
        () => run(["docker", "logs", stranger]),
        (log) => log.includes("another than the server's K3S_TOKEN"),
      );
      expect(await run(["docker", "logs", server])).toMatch(/refused .*: its token is another/);
      expect(await nodes.kubectl("get", "nodes", "-o", "name")).not.toContain(stranger);
      await run(["docker", "rm", "-f", "-v", stranger]);
    });

    it("refuses an agent that names no server or no token", async () => {
      expect(await tryRun(["docker", "run", "--rm", image, "agent"])).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining("K3S_URL") as string,
      });
    });

    it("keeps keys to the node's own root, and the admin's kubeconfig on the server", async () => {
      expect(
        await inNode(
          agent,
          "find",
          "/var/lib/rancher/k3s/agent",
          "(",
          "-name",
          "*.key",
          "-o",
          "-name",
          "*.kubeconfig",
          ")",
          "-perm",
          "/077",
        ),
      ).toBe("");
      expect((await tryRun(["docker", "exec", agent, "ls", "/etc/rancher/k3s/k3s.yaml"])).exitCode).not.toBe(0);
    });

    it("lets a pod of one node reach one of the other by address and by Service, under its own address", async () => {
      const client = await nodes.podAddress("client");
      expect(await nodes.ask(await nodes.podAddress("server"), 8080)).toBe(client);
      expect(await nodes.ask("server", 80)).toBe(client);
    });

    it("answers names of Docker's network in pods of the agent", async () => {
      const lookup = `require("dns").lookup("${server}", (error, address) => { console.log(address ?? error.code); })`;
      expect(await nodes.kubectl("exec", "client", "--", "node", "-e", lookup)).toBe(await containerAddress(server));
    });

    it.each([server, agent])("binds a claim of a pod on %s there, and removes its folder with it", async (node) => {
      await nodes.proveVolumes(node, "/var/lib/rancher/k3s/storage");
    });

    it("comes back with its pods when the agent stops and starts", async () => {
      await run(["docker", "stop", agent]);
      await run(["docker", "start", agent]);
      await nodes.until(
        () => nodes.ask("server", 80),
        (answer) => /^10\.42\.\d+\.\d+$/.test(answer),
      );
      await nodes.until(ready, (states) => states === "True True");
    });

    it("comes back when both stop and start under other addresses", async () => {
      const before = [await containerAddress(server), await containerAddress(agent)];
      await run(["docker", "stop", server, agent]);
      // Docker gives the first free address: that of one of the two.
      await run([
        "docker",
        "run",
        "-d",
        "--name",
        other,
        "--network",
        network,
        "--entrypoint",
        "sleep",
        image,
        "infinity",
      ]);
      expect(before).toContain(await containerAddress(other));
      await run(["docker", "start", server, agent]);
      await nodes.until(
        () => nodes.ask("server", 80),
        (answer) => /^10\.42\.\d+\.\d+$/.test(answer),
        120_000,
      );
      await nodes.until(ready, (states) => states === "True True");
    });
  },
);

// --- helpers ---------------------------------------------------------------------------------------------

async function start(name: string, token: string, ...command: [string, ...string[]]): Promise<void> {
  const [k3s, kubelet] = volumesOf(name) as [string, string];
  await run([
    "docker",
    "run",
    "-d",
    "--name",
    name,
    "--hostname",
    name,
    "--network",
    network,
    "--privileged",
    "--cgroupns=private",
    "--tmpfs",
    "/run",
    "--tmpfs",
    "/tmp",
    "--tmpfs",
    "/var/log",
    "-v",
    `${k3s}:/var/lib/rancher/k3s`,
    "-v",
    `${kubelet}:/var/lib/kubelet`,
    "-e",
    `K3S_TOKEN=${token}`,
    image,
    ...command,
    `--node-name=${name}`,
  ]);
}

function volumesOf(name: string): string[] {
  return ["k3s", "kubelet"].map((purpose) => `${name}-${purpose}`);
}

function ready(): Promise<string> {
  return nodes.kubectl("get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}');
}
