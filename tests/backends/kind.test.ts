import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterName, kubeconfigFile, ownerOf } from "../../infra/naming";
import { POD_PIDS_LIMIT } from "../../infra/backends/backend";
import { ROOT } from "../lifecycle/host";
import { anyImage } from "../lifecycle/images";
import { startRegistry, type TestRegistry } from "./registry";
import { currentContext, kubeconfigOf, npm, removeStack, SOME, stackFile, withStack } from "./support";

// One kind cluster of two nodes for the whole file; each test uses it in another way.
jest.setTimeout(600_000);

const STACK = "backends-kind";
const NAME = clusterName(ownerOf(ROOT, STACK));
const NODES = [`${NAME}-control-plane`, `${NAME}-worker`];
let mount: string;
let registry: TestRegistry;

const docker = (...argv: string[]) => execFileSync("docker", argv, { encoding: "utf8" });
const imagesOn = (node: string) =>
  docker("exec", node, "ctr", "-n", "k8s.io", "images", "ls", "-q")
    .split("\n")
    .filter((name) => name.includes("/bay-e2e/"))
    .sort();

beforeAll(async () => {
  mount = mkdtempSync(join(tmpdir(), "bay-e2e-mount-"));
  writeFileSync(join(mount, "from-the-host"), "seen in the node");
  registry = await startRegistry();
  stackFile(STACK, {
    backend: "kind",
    namespace: "of-the-cluster",
    kindNodes: 2,
    kindExtraMounts: [
      { hostPath: mount, containerPath: "/from-the-host", readOnly: true },
      { hostPath: registry.certificates, containerPath: "/etc/containerd/certs.d", readOnly: true },
    ],
    kindContainerdPatches: ["[plugins.'io.containerd.cri.v1.runtime']\n  max_container_log_line_size = 20480"],
  });
  const { code, output } = await npm("up", "--", "--stack", STACK);
  expect([code, output]).toEqual([0, expect.stringMatching(/Bay is pod bay in namespace of-the-cluster/)]);
});

afterAll(async () => {
  const file = kubeconfigFile(ROOT, STACK);
  // Somebody else's, by its name and label a node of this cluster: kind itself would remove it with the cluster.
  const foreign = docker(
    "create",
    "--name",
    `${NAME}-worker2`,
    "--label",
    `io.x-k8s.kind.cluster=${NAME}`,
    anyImage(),
  ).trim();
  try {
    await removeStack(STACK);
    expect({
      nodes: docker("ps", "--all", "--quiet", "--no-trunc", "--filter", `label=io.x-k8s.kind.cluster=${NAME}`).trim(),
      networks: docker("network", "ls", "--quiet", "--filter", `name=${NAME}`),
      kubeconfig: existsSync(file),
      names: docker("image", "ls", "--quiet", "--filter", `reference=bay-e2e/*:${STACK}`),
    }).toEqual({ nodes: foreign, networks: "", kubeconfig: false, names: "" });
  } finally {
    docker("rm", foreign);
    registry.stop();
    rmSync(mount, { recursive: true });
  }
});

describe("a stack of backend kind", () => {
  test("is a cluster by the kind CLI with the nodes, mounts and containerd settings of the configuration", () => {
    expect(
      docker("ps", "--format", "{{.Names}}", "--filter", `label=io.x-k8s.kind.cluster=${NAME}`)
        .split("\n")
        .filter(Boolean)
        .sort(),
    ).toEqual(NODES);
    for (const node of NODES) {
      expect(docker("exec", node, "cat", "/from-the-host/from-the-host")).toBe("seen in the node");
      expect(docker("exec", node, "containerd", "config", "dump")).toMatch(/max_container_log_line_size = 20480/);
      expect(() => docker("exec", node, "sh", "-c", "touch /from-the-host/x")).toThrow(/[Rr]ead-only/);
      expect(
        JSON.parse(docker("exec", NODES[0]!, "kubectl", "get", "--raw", `/api/v1/nodes/${node}/proxy/configz`)),
      ).toMatchObject({ kubeletconfig: { podPidsLimit: POD_PIDS_LIMIT } });
    }
  });

  test("has its images on every node, each by its content", () => {
    const images = NODES.map(imagesOn);
    expect(images[0]).toEqual(images[1]);
    for (const name of ["bay", "ship"])
      expect(images[0]).toContainEqual(expect.stringMatching(new RegExp(`/bay-e2e/${name}:[0-9a-f]{12}$`)));
  });

  test("writes one kubeconfig file of its own, for its owner alone, and leaves the user's as it is", () => {
    const file = kubeconfigFile(ROOT, STACK);
    expect(currentContext(file)).toBe(`kind-${NAME}`);
    expect(statSync(file).mode & 0o077).toBe(0);
    const users = process.env["KUBECONFIG"] ?? join(process.env["HOME"]!, ".kube", "config");
    expect(existsSync(users) ? readFileSync(users, "utf8") : "").not.toContain(NAME);
  });

  test("changes nothing at a second up", async () => {
    const { code, output } = await npm("up", "--", "--stack", STACK);
    expect(code).toBe(0);
    expect(output).not.toMatch(/(create|update|replace|delete) \w+ /);
  });

  test("brings back an image that a node lost", async () => {
    const before = imagesOn(NODES[1]!);
    const bay = before.find((name) => name.includes("/bay:"))!;
    docker("exec", NODES[1]!, "ctr", "-n", "k8s.io", "images", "rm", bay);
    expect(imagesOn(NODES[1]!)).not.toContain(bay);
    expect((await npm("up", "--", "--stack", STACK)).code).toBe(0);
    expect(imagesOn(NODES[1]!)).toEqual(before);
  });

  test("keeps its name to itself: another stack that is given the name is refused", async () => {
    await withStack("backends-taken", { backend: "kind", clusterName: NAME }, async (stack) => {
      const { code, output } = await npm("up", "--", "--stack", stack);
      expect([code, output]).toEqual([
        expect.anything(),
        expect.stringMatching(/E_CLUSTER_NAME_TAKEN[\s\S]*seen: [\s\S]*wanted:[\s\S]*next: /),
      ]);
      expect(code).not.toBe(0);
    });
    expect(
      docker("ps", "--quiet", "--filter", `label=io.x-k8s.kind.cluster=${NAME}`).split("\n").filter(Boolean),
    ).toHaveLength(2);
  });
});

describe("the cluster of a kind stack, used by others", () => {
  test("carries two stacks of backend existing at once, each in its namespace, and neither notices the other", async () => {
    const kubeconfig = await kubeconfigOf(STACK);
    const run = (name: string) =>
      withStack(name, { backend: "existing", kubeconfig, kubeContext: `kind-${NAME}`, namespace: name }, (stack) =>
        npm("e2e", "--", "--stack", stack, ...SOME),
      );
    const both = await Promise.all([run("backends-one"), run("backends-two")]);
    for (const { code, output } of both) expect([code, output]).toEqual([0, expect.stringMatching(/Run passed/)]);
    expect(namespaces()).toEqual(expect.arrayContaining(["of-the-cluster"]));
    expect(namespaces()).not.toEqual(expect.arrayContaining([expect.stringMatching(/^backends-/)]));
  });

  test("passes as Docker Desktop's, which is kind in disguise: the images are loaded into its nodes", async () => {
    const kubeconfig = await kubeconfigOf(STACK, "docker-desktop");
    for (const node of NODES)
      docker("exec", node, "sh", "-c", "ctr -n k8s.io images rm $(ctr -n k8s.io images ls -q | grep /bay-e2e/ship:)");
    await withStack(
      "backends-disguised",
      { backend: "docker-desktop", kubeconfig, namespace: "backends-disguised" },
      async (stack) => {
        const { code, output } = await npm("e2e", "--", "--stack", stack, ...SOME);
        expect([code, output]).toEqual([0, expect.stringMatching(/Run passed[\s\S]*MB loaded/)]);
      },
    );
    for (const node of NODES) expect(imagesOn(node)).toContainEqual(expect.stringContaining("/ship:"));
  });

  test("gets its images through a registry that wants a login, where the configuration names one", async () => {
    const { host, username, password } = registry;
    const kubeconfig = await kubeconfigOf(STACK);
    const config = {
      backend: "existing",
      kubeconfig,
      kubeContext: `kind-${NAME}`,
      namespace: "backends-registry",
      registry: `${host}/team`,
      registryUsername: username,
    };
    await withStack("backends-registry", { ...config, registryPassword: "wrong-password" }, async (stack) => {
      const { code, output } = await npm("up", "--", "--stack", stack);
      expect(code).not.toBe(0);
      expect(output).toMatch(/E_REGISTRY_PUSH[\s\S]*seen: [\s\S]*next: /);
      expect(output).not.toContain("wrong-password");
    });
    await withStack("backends-registry", { ...config, registryPassword: password }, async (stack) => {
      const { code, output } = await npm("up", "--", "--stack", stack);
      expect([code, output]).toEqual([0, expect.anything()]);
      expect(
        docker(
          "exec",
          NODES[0]!,
          "kubectl",
          "--namespace",
          "backends-registry",
          "get",
          "pod",
          "bay",
          "--output",
          "jsonpath={.spec.containers[0].image} {.spec.imagePullSecrets[0].name}",
        ),
      ).toMatch(new RegExp(`^${host}/team/bay@sha256:[0-9a-f]{64} bay-registry$`));
      const tests = await npm("test", "--", "--stack", stack, "-k", "LIFE-2");
      expect([tests.code, tests.output]).toEqual([0, expect.anything()]);
    });
  });

  test("refuses a namespace that another stack has, and one that somebody made by hand, and touches neither", async () => {
    const kubeconfig = await kubeconfigOf(STACK);
    docker("exec", NODES[0]!, "kubectl", "create", "namespace", "by-hand");
    for (const namespace of ["of-the-cluster", "by-hand"]) {
      await withStack(
        "backends-foreign",
        { backend: "existing", kubeconfig, kubeContext: `kind-${NAME}`, namespace },
        async (stack) => {
          const { code, output } = await npm("up", "--", "--stack", stack);
          expect(code).not.toBe(0);
          expect(output).toMatch(new RegExp(`E_NAMESPACE_FOREIGN[\\s\\S]*namespace ${namespace} exists`));
        },
      );
    }
    expect(namespaces()).toEqual(expect.arrayContaining(["of-the-cluster", "by-hand"]));
  });

  test("names an image that the nodes cannot get, within seconds and with the pod's own reason", async () => {
    const kubeconfig = await kubeconfigOf(STACK);
    const absent = "registry.invalid/nobody/bay:1";
    await withStack(
      "backends-absent",
      { backend: "existing", kubeconfig, kubeContext: `kind-${NAME}`, namespace: "backends-absent", bayImage: absent },
      async (stack) => {
        const { code, output } = await npm("up", "--", "--stack", stack);
        expect(code).not.toBe(0);
        expect(output).toMatch(new RegExp(`E_IMAGE_NOT_ON_NODE[\\s\\S]*${absent.replaceAll(".", "\\.")}`));
      },
    );
  });
});

function namespaces(): string[] {
  return docker("exec", NODES[0]!, "kubectl", "get", "namespaces", "--output", "name")
    .split("\n")
    .map((name) => name.replace("namespace/", ""))
    .filter(Boolean);
}
