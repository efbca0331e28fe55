import { execFileSync } from "node:child_process";
import { run, tryRun } from "../../infra/support/exec";
import { waitFor } from "../../infra/support/wait";
import { substitutes } from "../images";
import { OFFICIAL_IMAGES, VERSIONS } from "../versions";
import { present } from "./testing";

jest.setTimeout(120_000);

const image = substitutes()[OFFICIAL_IMAGES.node]!;
const base = substitutes()[OFFICIAL_IMAGES.bay]!;
const made = present(image) && present(base);
const suite = made ? describe : describe.skip;

/** A claim and a pod that writes into it as an ordinary user. */
const OBJECTS = `
{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}}
{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "shared"}, "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "16Mi"}}}}
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "docker.io/${base}",
  "imagePullPolicy": "Never", "command": ["sh", "-c", "echo started; exec sleep infinity"], "securityContext": {"runAsUser": 1000},
  "volumeMounts": [{"name": "data", "mountPath": "/data"}]}], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}}
`;

suite(
  `the node image${made ? "" : " (skipped: not made on this host; node --import tsx offline/main.ts ensure)"}`,
  () => {
    const name = `bay-e2e-node-test-${process.pid}`;
    const volumes = ["k3s", "kubelet"].map((purpose) => `${name}-${purpose}`);
    const inNode = (...argv: string[]) => run(["docker", "exec", name, ...argv]);
    const kubectl = (...argv: string[]) => inNode("kubectl", ...argv);

    beforeAll(async () => {
      await run([
        "docker",
        "run",
        "-d",
        "--name",
        name,
        "--privileged",
        "--cgroupns=private",
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/tmp",
        "--tmpfs",
        "/var/lib/cni",
        "--tmpfs",
        "/var/log",
        "-v",
        `${volumes[0]!}:/var/lib/rancher/k3s`,
        "-v",
        `${volumes[1]!}:/var/lib/kubelet`,
        "-p",
        "127.0.0.1::6443",
        image,
        "server",
        "--node-name=tested",
        "--tls-san=127.0.0.1",
        "--disable=traefik,servicelb,metrics-server",
        "--kubelet-arg=max-pods=42",
        "--kubelet-arg=fail-cgroupv1=false",
      ]);
      await ready();
    }, 120_000);

    afterAll(async () => {
      await tryRun(["docker", "rm", "-f", "-v", name]);
      await tryRun(["docker", "volume", "rm", ...volumes]);
    }, 60_000);

    /** Waits for what k3s' users wait for: the kubeconfig, the node, the default account, DNS. */
    async function ready(): Promise<void> {
      await waitFor(
        async () => {
          for (const [what, argv, wanted] of [
            ["kubeconfig", ["cat", "/etc/rancher/k3s/k3s.yaml"], /client-key-data/],
            [
              "node",
              ["kubectl", "get", "node", "tested", "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'],
              /True/,
            ],
            ["account", ["kubectl", "get", "serviceaccount", "default"], /default/],
            [
              "DNS",
              [
                "kubectl",
                "-n",
                "kube-system",
                "get",
                "endpointslice",
                "-l",
                "kubernetes.io/service-name=kube-dns",
                "-o",
                "jsonpath={.items[*].endpoints[*].conditions.ready}",
              ],
              /true/,
            ],
          ] as const) {
            const look = await tryRun(["docker", "exec", name, ...argv]);
            if (!wanted.test(look.stdout)) return { reason: `${what}: ${look.stderr || look.stdout || "nothing"}` };
          }
          return { value: true };
        },
        { deadline: 100_000 },
        (reason) => new Error(`${reason}\n${execFileSync("docker", ["logs", name], { encoding: "utf8" })}`),
      );
    }

    it("says that it is not k3s, in its version and on its node, and which Kubernetes it is", async () => {
      expect(await inNode("k3s", "--version")).toMatch(/stand-in for k3s .*not k3s/);
      const node = JSON.parse(await kubectl("get", "node", "tested", "-o", "json")) as {
        metadata: { labels: Record<string, string> };
        status: { nodeInfo: { kubeletVersion: string }; allocatable: { pods: string } };
      };
      expect(node.metadata.labels["node.kubernetes.io/instance-type"]).toBe("registry-only-node");
      expect(node.status.nodeInfo.kubeletVersion).toBe(`v${VERSIONS.kubernetes}`);
      expect(node.status.allocatable.pods).toBe("42");
    });

    it("names the flags that it does not know and refuses what is no flag", async () => {
      const words = await tryRun(["docker", "run", "--rm", image, "server", "nonsense"]);
      expect(words).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("nonsense") as string });
      const unprivileged = await tryRun(["docker", "run", "--rm", image, "server", "--flannel-backend=host-gw"]);
      expect(unprivileged.exitCode).toBe(1);
      expect(unprivileged.stdout).toContain("mean nothing here: --flannel-backend");
      expect(unprivileged.stdout).toContain("is the container privileged?");
    });

    it("takes images by ctr and shows them under the same name to the kubelet and to k3s ctr", async () => {
      await run(
        [
          "bash",
          "-o",
          "pipefail",
          "-c",
          `docker save ${base} | docker exec -i ${name} ctr -n k8s.io images import --local -`,
        ],
        { timeout: 120_000 },
      );
      expect(await inNode("ctr", "images", "ls", "-q")).toContain(`docker.io/${base}`);
      expect(await inNode("k3s", "ctr", "-n", "k8s.io", "images", "ls", "-q")).toContain(`docker.io/${base}`);
    });

    it("runs a pod on a bound volume that an ordinary user may write", async () => {
      await run(["docker", "exec", "-i", name, "kubectl", "apply", "-f", "-"], { input: OBJECTS });
      await kubectl("wait", "--for=condition=Ready", "pod/user", "--timeout=60s");
      expect(await kubectl("get", "pvc", "data", "-o", "jsonpath={.status.phase}")).toBe("Bound");
      await kubectl("exec", "user", "--", "sh", "-c", "echo kept > /data/file");
      expect(await kubectl("logs", "user")).toContain("started");
    });

    it("says on a claim why it cannot be bound", async () => {
      await run(["docker", "exec", "-i", name, "kubectl", "apply", "-f", "-"], {
        input: JSON.stringify({
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: "hopeless" },
          spec: {
            containers: [{ name: "c", image: "none", volumeMounts: [{ name: "v", mountPath: "/v" }] }],
            volumes: [{ name: "v", persistentVolumeClaim: { claimName: "shared" } }],
          },
        }),
      });
      await waitFor(
        async () => {
          const events = await kubectl(
            "get",
            "events",
            "--field-selector=reason=ProvisioningFailed",
            "-o",
            "jsonpath={.items[*].message}",
          );
          return events.includes("ReadWriteMany is not supported") ? { value: true } : { reason: events || "no event" };
        },
        { deadline: 30_000 },
        (reason) => new Error(reason),
      );
      await kubectl("delete", "pod", "hopeless", "--now");
    });

    it("answers names of the cluster in a pod, and its API under the service's address", async () => {
      const lookup =
        "require('dns').lookup('kubernetes.default.svc.cluster.local', (error, address) => { const socket = require('net').connect(443, address, () => { console.log(address); socket.end(); }); })";
      expect(await kubectl("exec", "user", "--", "node", "-e", lookup)).toContain("10.43.0.1");
    });

    it("starts a component again that was killed", async () => {
      await inNode("pkill", "-9", "-f", "coredns -conf");
      await waitFor(
        async () => {
          const lookup = await tryRun([
            "docker",
            "exec",
            name,
            "kubectl",
            "exec",
            "user",
            "--",
            "node",
            "-e",
            "require('dns').lookup('kube-dns.kube-system.svc.cluster.local', (error, address) => { console.log(address ?? error.code); })",
          ]);
          return lookup.stdout.includes("10.43.0.10") ? { value: true } : { reason: lookup.stdout + lookup.stderr };
        },
        { deadline: 60_000 },
        (reason) => new Error(reason),
      );
      expect(await run(["docker", "logs", name])).toContain("coredns ended");
    }, 90_000);

    it("comes back with its pods and volumes when its container restarts, and stops in order", async () => {
      await run(["docker", "stop", name]);
      expect(await run(["docker", "inspect", "-f", "{{.State.ExitCode}}", name])).toBe("0");
      await run(["docker", "start", name]);
      await ready();
      await waitFor(
        async () => {
          const file = await tryRun(["docker", "exec", name, "kubectl", "exec", "user", "--", "cat", "/data/file"]);
          return file.stdout === "kept" ? { value: true } : { reason: file.stderr };
        },
        { deadline: 60_000 },
        (reason) => new Error(reason),
      );
    }, 120_000);

    it("removes a volume's folder with its claim", async () => {
      expect(await inNode("ls", "/var/lib/rancher/k3s/storage")).toContain("default_data");
      await kubectl("delete", "pod/user", "pvc/data", "--now", "--timeout=30s");
      await waitFor(
        async () => {
          const left = `${await inNode("ls", "/var/lib/rancher/k3s/storage")}${await kubectl("get", "pv", "-o", "name")}`;
          return left === "" ? { value: true } : { reason: left };
        },
        { deadline: 30_000 },
        (reason) => new Error(reason),
      );
    });
  },
);
