import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clusterName, ownerOf } from "../../infra/naming";
import { ROOT } from "../lifecycle/host";
import { BayClient, expectStatus } from "../support/bay-client";
import { openForward } from "../support/port-forward";
import { notYet, waitFor } from "../support/wait";
import { kubeconfigOf, npm, outputsOf, removeStack, SOME, stackFile, withStack } from "./support";

// One k3s cluster, a server and an agent, for the whole file; each test uses it in another way.
jest.setTimeout(600_000);

const STACK = "backends-k3s";
const NAME = clusterName(ownerOf(ROOT, STACK));
const NODES = [NAME, `${NAME}-agent-1`];

const docker = (...argv: string[]) => execFileSync("docker", argv, { encoding: "utf8" });

beforeAll(async () => {
  stackFile(STACK, { backend: "k3s", k3sAgents: 1, checkpoint: "false", namespace: "of-the-cluster" });
  const { code, output } = await npm("up", "--", "--stack", STACK);
  expect([code, output]).toEqual([0, expect.stringMatching(/Bay is pod bay in namespace of-the-cluster/)]);
});

afterAll(async () => {
  await removeStack(STACK);
  expect({
    containers: docker("ps", "--all", "--quiet", "--filter", `name=${NAME}`),
    volumes: docker("volume", "ls", "--quiet", "--filter", `name=${NAME}`),
    networks: docker("network", "ls", "--quiet", "--filter", `name=${NAME}`),
  }).toEqual({ containers: "", volumes: "", networks: "" });
});

describe("a stack of backend k3s with an agent", () => {
  test("has both nodes ready, and its images on both", () => {
    const nodes = docker("exec", NAME, "kubectl", "get", "nodes", "--no-headers")
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(/\s+/).slice(0, 2));
    expect(nodes.sort()).toEqual(NODES.map((name) => [name, "Ready"]));
    for (const node of NODES)
      expect(docker("exec", node, "ctr", "-n", "k8s.io", "images", "ls", "-q")).toMatch(/bay-e2e\/ship:/);
  });

  test("passes the suite's core with sandboxes on either node, and changes nothing at a second up", async () => {
    const { code, output } = await npm("test", "--", "--stack", STACK, "-m", "core");
    expect([code, output]).toEqual([0, expect.anything()]);
    const again = await npm("up", "--", "--stack", STACK);
    expect(again.code).toBe(0);
    expect(again.output).not.toMatch(/(create|update|replace|delete) \w+ /);
  });
});

test("a cluster whose nodes were restarted has Bay again with all that was made, and the next call wakes a sandbox with its files", async () => {
  const { kubeconfig, namespace, pod, port, apiKey } = await outputsOf(STACK);
  const forward = await openForward({ kubeconfig, namespace, pod, port, holdFor: 180_000 });
  const bay = new BayClient(forward.url, apiKey);
  try {
    const created = expectStatus(await bay.createSandbox(), 201);
    const sandbox = bay.sandbox(created.id);
    expectStatus(await sandbox.python("open('kept.txt', 'w').write('before the restart')"), 200);
    docker("restart", ...NODES);
    await waitFor(
      "Bay after the restart",
      () => forward.reconnects > 0 || notYet(forward.status().why ?? "the forward noticed nothing"),
      { deadline: 180_000 },
    );
    expect(expectStatus(await sandbox.get(), 200)).toMatchObject({ id: created.id, cargo_id: created.cargo_id });
    await waitFor(
      "the sandbox after the restart",
      async () => {
        const answer = await sandbox.readFile("kept.txt");
        return answer.status === 503 || answer.status === 502
          ? notYet(`it answered ${answer.status}`)
          : expectStatus(answer, 200).content === "before the restart";
      },
      { deadline: 120_000 },
    );
    expectStatus(await sandbox.delete(), 204);
  } finally {
    bay.close();
    await forward.close();
  }
});

describe("the cluster of a k3s stack, used by others", () => {
  test("passes as an existing cluster by a plain kubeconfig that the configuration names a context of, with a Bay of somebody else's, of which nothing is asked beyond the contract", async () => {
    const kubeconfig = await kubeconfigOf(STACK);
    const context = join("artifacts", "backends", "foreign-bay");
    mkdirSync(join(ROOT, context), { recursive: true });
    // What is in it is the reference's, but it does not say so.
    writeFileSync(
      join(ROOT, context, "Dockerfile"),
      `FROM bay-e2e/bay:${STACK}\nUSER root\nRUN sed -i 's/x-bay-reference/x-bay-other/' /app/server.js\nUSER 10001:10001\n`,
    );
    await withStack(
      "backends-existing",
      { backend: "existing", kubeconfig, kubeContext: "default", namespace: "backends-existing", bayContext: context },
      async (stack) => {
        const { code, output } = await npm("e2e", "--", "--stack", stack, "-m", "core");
        expect([code, output]).toEqual([
          0,
          expect.stringMatching(/Run passed[\s\S]*beyond the contract, and this Bay is not the reference/),
        ]);
      },
    );
  });

  test("passes as Docker Desktop's plain cluster, whose nodes have the local daemon's images: nothing is loaded", async () => {
    const kubeconfig = await kubeconfigOf(STACK, "docker-desktop");
    await withStack(
      "backends-plain",
      { backend: "docker-desktop", kubeconfig, namespace: "backends-plain" },
      async (stack) => {
        const { code, output } = await npm("e2e", "--", "--stack", stack, ...SOME);
        expect([code, output]).toEqual([0, expect.stringMatching(/Run passed[\s\S]*nothing to load/)]);
      },
    );
  });

  test("is refused as the current context when nobody named it: its name is no local one", async () => {
    const kubeconfig = await kubeconfigOf(STACK);
    await expectRefusal({ kubeconfig }, /E_CONTEXT_NOT_ALLOWED[\s\S]*"default"[\s\S]*kubeContext default/);
  });

  test("is not found under a context that the kubeconfig does not have", async () => {
    const kubeconfig = await kubeconfigOf(STACK);
    await expectRefusal(
      { kubeconfig, kubeContext: "nowhere" },
      /E_CONTEXT_MISSING[\s\S]*"nowhere"[\s\S]*one of default/,
    );
  });

  test("is reported as unreachable, in seconds, where its API server does not answer", async () => {
    const kubeconfig = await kubeconfigOf(STACK, "deaf");
    // Port 1 of this host: nobody listens there.
    writeFileSync(kubeconfig, readFileSync(kubeconfig, "utf8").replace(/server: .*/, "server: https://127.0.0.1:1"));
    await expectRefusal({ kubeconfig, kubeContext: "deaf" }, /E_CLUSTER_UNREACHABLE[\s\S]*127\.0\.0\.1:1/);
  });
});

async function expectRefusal(config: Record<string, unknown>, message: RegExp): Promise<void> {
  await withStack(
    "backends-refused",
    { backend: "existing", namespace: "backends-refused", ...config },
    async (stack) => {
      const { code, output } = await npm("up", "--", "--stack", stack);
      expect(code).not.toBe(0);
      expect(output).toMatch(message);
      expect(output).toMatch(/seen: [\s\S]*wanted:[\s\S]*next: /);
    },
  );
}
