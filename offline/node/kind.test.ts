import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { POD_PIDS_LIMIT } from "../../infra/backends/backend";
import { run, tryRun } from "../../infra/support/exec";
import { kindSubstitutes, substitutes } from "../images";
import { kindCliFolder } from "../kind";
import { OFFICIAL_IMAGES, OFFICIAL_KIND_NODE, VERSIONS } from "../versions";
import { containerAddress, inNode, present, TestCluster } from "./testing";

jest.setTimeout(180_000);

const image = kindSubstitutes()[OFFICIAL_KIND_NODE]!;
const base = substitutes()[OFFICIAL_IMAGES.bay]!;
const made = existsSync(kindCliFolder()) && present(image) && present(base);
const suite = made ? describe : describe.skip;

const cluster = `bay-e2e-kind-test-${process.pid}`;
const [server, worker] = [`${cluster}-control-plane`, `${cluster}-worker`];
const folder = mkdtempSync(join(tmpdir(), "bay-e2e-kind-test-"));
const nodes = new TestCluster(server, base);
const kubeconfig = join(folder, "kubeconfig");

const CONFIG = `
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.patched]
    runtime_type = "io.containerd.runc.v2"
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  apiVersion: kubelet.config.k8s.io/v1beta1
  podPidsLimit: ${POD_PIDS_LIMIT}
nodes:
- role: control-plane
  extraMounts: [{hostPath: ${folder}, containerPath: /mounted}]
- role: worker
`;

suite(
  `kind's own CLI with the node image${made ? "" : " (skipped: not made on this host; node --import tsx offline/main.ts ensure --need kind,images)"}`,
  () => {
    beforeAll(async () => {
      writeFileSync(join(folder, "config.yaml"), CONFIG);
      writeFileSync(join(folder, "file"), "of the host");
      await run(["docker", "network", "create", cluster]);
      await kind(
        "create",
        "cluster",
        "--image",
        image,
        "--config",
        join(folder, "config.yaml"),
        "--kubeconfig",
        kubeconfig,
        "--wait",
        "120s",
      );
      await kind("load", "docker-image", base);
      await nodes.kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s");
      await nodes.runPair(server, worker);
    }, 300_000);

    afterAll(async () => {
      await tryRun(["docker", "rm", "-f", "-v", server, worker, `${cluster}-other`]);
      await tryRun(["docker", "network", "rm", cluster]);
      rmSync(folder, { recursive: true, force: true });
    }, 60_000);

    it("has nodes of the Kubernetes that was made here, which say what they are not", async () => {
      const { items } = JSON.parse(await nodes.kubectl("get", "nodes", "-o", "json")) as {
        items: { metadata: { name: string }; status: { nodeInfo: { kubeletVersion: string; osImage: string } } }[];
      };
      expect(items.map((node) => node.metadata.name).sort()).toEqual([server, worker]);
      for (const { status } of items) {
        expect(status.nodeInfo.kubeletVersion).toBe(`v${VERSIONS.kubernetes}`);
        expect(status.nodeInfo.osImage).toContain("not kindest/node");
      }
    });

    it("honours extra mounts and patches of containerd's configuration", async () => {
      expect(await inNode(server, "cat", "/mounted/file")).toBe("of the host");
      await nodes.apply({
        apiVersion: "node.k8s.io/v1",
        kind: "RuntimeClass",
        metadata: { name: "patched" },
        handler: "patched",
      });
      await nodes.runPod("other-runtime", worker, { runtimeClassName: "patched" });
      await nodes.kubectl("delete", "pod", "other-runtime", "--now");
    });

    it.each([
      [server, "server"],
      [worker, "client"],
    ])(
      "honours kubeadm's patches of the kubelet's configuration on %s: a pod has that many processes at most",
      async (node, pod) => {
        const { kubeletconfig } = JSON.parse(
          await nodes.kubectl("get", "--raw", `/api/v1/nodes/${node}/proxy/configz`),
        ) as { kubeletconfig: { podPidsLimit: number } };
        expect(kubeletconfig.podPidsLimit).toBe(POD_PIDS_LIMIT);
        const uid = await nodes.kubectl("get", "pod", pod, "--output=jsonpath={.metadata.uid}");
        expect(
          await inNode(
            node,
            "sh",
            "-c",
            `find /sys/fs/cgroup -type d -name 'pod${uid}' -exec cat '{}/pids.max' ';' 2>/dev/null`,
          ),
        ).toBe(String(POD_PIDS_LIMIT));
      },
    );

    it("lets a pod of one node reach one of the other by address and by Service, under its own address", async () => {
      const client = await nodes.podAddress("client");
      expect(await nodes.ask(await nodes.podAddress("server"), 8080)).toBe(client);
      expect(await nodes.ask("server", 80)).toBe(client);
    });

    it("answers names of Docker's network in pods, through the cluster's DNS", async () => {
      const lookup = `require("dns").lookup("${server}", (error, address) => { console.log(address ?? error.code); })`;
      expect(await nodes.kubectl("exec", "client", "--", "node", "-e", lookup)).toBe(await containerAddress(server));
    });

    it.each([server, worker])("binds a claim of a pod on %s there, and removes its folder with it", async (node) => {
      await nodes.proveVolumes(node, "/var/local-path-provisioner");
    });

    it("answers systemctl for what it keeps and refuses the rest", async () => {
      expect(await inNode(worker, "systemctl", "is-active", "kubelet")).toBe("active");
      const pid = () => inNode(worker, "pgrep", "--exact", "kubelet");
      const before = await pid();
      await inNode(worker, "systemctl", "restart", "kubelet.service");
      await nodes.until(pid, (now) => now !== "" && now !== before);
      expect(await tryRun(["docker", "exec", worker, "systemctl", "mask", "kubelet"])).toMatchObject({
        exitCode: 1,
        stdout: expect.stringContaining("no systemd here") as string,
      });
      expect(await tryRun(["docker", "exec", worker, "systemctl", "is-active", "sshd"])).toMatchObject({ exitCode: 4 });
    });

    it("gives kind its logs", async () => {
      await kind("export", "logs", join(folder, "logs"));
      for (const node of [server, worker]) {
        const read = (name: string) => readFileSync(join(folder, "logs", node, name), "utf8");
        expect(read("kubelet.log")).toContain(node);
        expect(read("containerd.log")).toContain("containerd");
        expect(read("images.log")).toContain(`registry.k8s.io/kube-proxy:v${VERSIONS.kubernetes}`);
        expect(read("serial.log")).toContain("Reached target Multi-User System");
        expect(readdirSync(join(folder, "logs", node, "containers")).join(" ")).toContain("kube-proxy");
      }
    });

    it("comes back with its pods when its containers stop and start, also under other addresses", async () => {
      const before = [await containerAddress(server), await containerAddress(worker)];
      await run(["docker", "stop", server, worker]);
      // Docker gives the first free address: that of one of the two, whichever was made first.
      await run([
        "docker",
        "run",
        "-d",
        "--name",
        `${cluster}-other`,
        "--network",
        cluster,
        "--entrypoint",
        "sleep",
        image,
        "infinity",
      ]);
      expect(before).toContain(await containerAddress(`${cluster}-other`));
      await run(["docker", "start", server, worker]);
      await nodes.until(
        () => nodes.kubectl("get", "--raw", "/readyz"),
        (answer) => answer === "ok",
        120_000,
      );
      await nodes.until(
        () => nodes.ask("server", 80),
        (answer) => /^10\.244\.\d+\.\d+$/.test(answer),
        120_000,
      );
    }, 300_000);

    it("is deleted without a trace", async () => {
      const volumes = (await run(["docker", "inspect", "-f", "{{range .Mounts}}{{.Name}} {{end}}", server, worker]))
        .split(/\s+/)
        .filter(Boolean);
      expect(volumes.length).toBeGreaterThanOrEqual(2);
      await kind("delete", "cluster", "--kubeconfig", kubeconfig);
      expect(await run(["docker", "ps", "-aq", "--filter", `label=io.x-k8s.kind.cluster=${cluster}`])).toBe("");
      for (const volume of volumes) expect((await tryRun(["docker", "volume", "inspect", volume])).exitCode).toBe(1);
      await run(["docker", "rm", "-f", "-v", `${cluster}-other`]);
      await run(["docker", "network", "rm", cluster]);
    });
  },
);

// --- helpers ---------------------------------------------------------------------------------------------

function kind(...argv: string[]): Promise<string> {
  return run(["kind", ...argv, "--name", cluster], {
    timeout: 280_000,
    env: {
      PATH: `${kindCliFolder()}${delimiter}${process.env["PATH"]}`,
      KIND_EXPERIMENTAL_DOCKER_NETWORK: cluster,
      KUBECONFIG: kubeconfig,
    },
  });
}
