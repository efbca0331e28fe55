import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { run, tryRun } from "../../infra/support/exec";
import { waitFor } from "../../infra/support/wait";
import { kindSubstitutes, substitutes } from "../images";
import { kindCliFolder } from "../kind";
import { OFFICIAL_IMAGES, OFFICIAL_KIND_NODE, VERSIONS } from "../versions";

jest.setTimeout(180_000);

const image = kindSubstitutes()[OFFICIAL_KIND_NODE]!;
const base = substitutes()[OFFICIAL_IMAGES.bay]!;
const made = existsSync(kindCliFolder()) && present(image) && present(base);
const suite = made ? describe : describe.skip;

const cluster = `bay-e2e-kind-test-${process.pid}`;
const [server, worker] = [`${cluster}-control-plane`, `${cluster}-worker`];
const folder = mkdtempSync(join(tmpdir(), "bay-e2e-kind-test-"));
const kubeconfig = join(folder, "kubeconfig");

const CONFIG = `
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.patched]
    runtime_type = "io.containerd.runc.v2"
nodes:
- role: control-plane
  extraMounts: [{hostPath: ${folder}, containerPath: /mounted}]
- role: worker
`;

suite(`kind's own CLI with the node image${made ? "" : " (skipped: not made on this host; node --import tsx offline/main.ts ensure --need kind,images)"}`, () => {
  beforeAll(async () => {
    writeFileSync(join(folder, "config.yaml"), CONFIG);
    writeFileSync(join(folder, "file"), "of the host");
    await run(["docker", "network", "create", cluster]);
    await kind("create", "cluster", "--image", image, "--config", join(folder, "config.yaml"), "--kubeconfig", kubeconfig, "--wait", "120s");
    await kind("load", "docker-image", base);
    for (const [name, node] of [["server", server], ["client", worker]] as const) await apply(pod(name, node));
    await apply({ apiVersion: "v1", kind: "Service", metadata: { name: "server" }, spec: { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] } });
    await kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=60s");
    await kubectl("wait", "--for=condition=Ready", "pod/server", "pod/client", "--timeout=60s");
  }, 300_000);

  afterAll(async () => {
    await tryRun(["docker", "rm", "-f", "-v", server, worker, `${cluster}-other`]);
    await tryRun(["docker", "network", "rm", cluster]);
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it("has nodes of the Kubernetes that was made here, which say what they are not", async () => {
    const { items } = JSON.parse(await kubectl("get", "nodes", "-o", "json")) as { items: { metadata: { name: string }; status: { nodeInfo: { kubeletVersion: string; osImage: string } } }[] };
    expect(items.map((node) => node.metadata.name).sort()).toEqual([server, worker]);
    for (const { status } of items) {
      expect(status.nodeInfo.kubeletVersion).toBe(`v${VERSIONS.kubernetes}`);
      expect(status.nodeInfo.osImage).toContain("not kindest/node");
    }
  });

  it("honours extra mounts and patches of containerd's configuration", async () => {
    expect(await inNode(server, "cat", "/mounted/file")).toBe("of the host");
    await apply({ apiVersion: "node.k8s.io/v1", kind: "RuntimeClass", metadata: { name: "patched" }, handler: "patched" });
    await apply(pod("other-runtime", worker, { runtimeClassName: "patched" }));
    await kubectl("wait", "--for=condition=Ready", "pod/other-runtime", "--timeout=60s");
    await kubectl("delete", "pod", "other-runtime", "--now");
  });

  it("lets a pod of one node reach one of the other by address and by Service, under its own address", async () => {
    const address = async (name: string) => kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}");
    expect(await ask(await address("server"), 8080)).toBe(await address("client"));
    expect(await ask("server", 80)).toBe(await address("client"));
  });

  it("answers names of Docker's network in pods, through the cluster's DNS", async () => {
    const lookup = `require("dns").lookup("${server}", (error, address) => { console.log(address ?? error.code); })`;
    expect(await kubectl("exec", "client", "--", "node", "-e", lookup)).toBe(await containerAddress(server));
  });

  it.each([server, worker])("binds a claim of a pod on %s there, and removes its folder with it", async (node) => {
    const folders = () => inNode(node, "ls", "/var/local-path-provisioner");
    await apply({ apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "16Mi" } } } });
    await apply(pod("writer", node, { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] }, { securityContext: { runAsUser: 1000 }, volumeMounts: [{ name: "data", mountPath: "/data" }] }));
    await kubectl("wait", "--for=condition=Ready", "pod/writer", "--timeout=60s");
    await kubectl("exec", "writer", "--", "sh", "-c", "echo kept > /data/file");
    const name = await folders();
    expect(name).toMatch(/^pvc-[^\n]*_default_data$/);
    expect(await inNode(node, "cat", `/var/local-path-provisioner/${name}/file`)).toBe("kept");
    await kubectl("delete", "pod/writer", "pvc/data", "--now", "--timeout=30s");
    await until(async () => `${await folders()}${await kubectl("get", "pv", "-o", "name")}`, (left) => left === "");
  });

  it("answers systemctl for what it keeps and refuses the rest", async () => {
    expect(await inNode(worker, "systemctl", "is-active", "kubelet")).toBe("active");
    const pid = () => inNode(worker, "pgrep", "--exact", "kubelet");
    const before = await pid();
    await inNode(worker, "systemctl", "restart", "kubelet.service");
    await until(pid, (now) => now !== "" && now !== before);
    expect(await tryRun(["docker", "exec", worker, "systemctl", "mask", "kubelet"])).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("no systemd here") as string });
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
    await run(["docker", "run", "-d", "--name", `${cluster}-other`, "--network", cluster, "--entrypoint", "sleep", image, "infinity"]);
    expect(before).toContain(await containerAddress(`${cluster}-other`));
    await run(["docker", "start", server, worker]);
    await until(async () => (await tryRun(["docker", "exec", server, "kubectl", "get", "--raw", "/readyz"])).stdout, (answer) => answer === "ok", 120_000);
    await until(async () => ask("server", 80).catch((error: unknown) => String(error)), (answer) => /^10\.244\.\d+\.\d+$/.test(answer), 120_000);
  }, 300_000);

  it("is deleted without a trace", async () => {
    const volumes = (await run(["docker", "inspect", "-f", "{{range .Mounts}}{{.Name}} {{end}}", server, worker])).split(/\s+/).filter(Boolean);
    expect(volumes.length).toBeGreaterThanOrEqual(2);
    await kind("delete", "cluster", "--kubeconfig", kubeconfig);
    expect(await run(["docker", "ps", "-aq", "--filter", `label=io.x-k8s.kind.cluster=${cluster}`])).toBe("");
    for (const volume of volumes) expect((await tryRun(["docker", "volume", "inspect", volume])).exitCode).toBe(1);
    await run(["docker", "rm", "-f", `${cluster}-other`]);
    await run(["docker", "network", "rm", cluster]);
  });
});

// --- helpers ---------------------------------------------------------------------------------------------

function kind(...argv: string[]): Promise<string> {
  return run(["kind", ...argv, "--name", cluster], {
    timeout: 280_000, env: { PATH: `${kindCliFolder()}${delimiter}${process.env["PATH"]}`, KIND_EXPERIMENTAL_DOCKER_NETWORK: cluster, KUBECONFIG: kubeconfig },
  });
}

function containerAddress(name: string): Promise<string> {
  return run(["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name]);
}

function inNode(node: string, ...argv: string[]): Promise<string> {
  return run(["docker", "exec", node, ...argv]);
}

function kubectl(...argv: string[]): Promise<string> {
  return inNode(server, "kubectl", ...argv);
}

async function apply(object: unknown): Promise<void> {
  await run(["docker", "exec", "-i", server, "kubectl", "apply", "-f", "-"], { input: JSON.stringify(object) });
}

/** A pod that answers HTTP requests with the address that they came from. */
function pod(name: string, node: string, spec: object = {}, container: object = {}): object {
  const program = "require('http').createServer((request, response) => response.end(request.socket.remoteAddress.replace('::ffff:', ''))).listen(8080)";
  return {
    apiVersion: "v1", kind: "Pod", metadata: { name, labels: { app: name } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node }, tolerations: [{ operator: "Exists" }], terminationGracePeriodSeconds: 0,
      containers: [{ name: "c", image: `docker.io/${base}`, imagePullPolicy: "Never", command: ["node", "-e", program], readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }, ...container }],
      ...spec,
    },
  };
}

/** What a host answers to the client pod. */
function ask(host: string, port: number): Promise<string> {
  return kubectl("exec", "client", "--", "node", "-e", `fetch("http://${host}:${port}").then((r) => r.text()).then(console.log)`);
}

async function until(look: () => Promise<string>, wanted: (seen: string) => boolean, deadline = 60_000): Promise<void> {
  await waitFor(async () => {
    const seen = await look();
    return wanted(seen) ? { value: true } : { reason: seen || "nothing" };
  }, { deadline }, (reason) => new Error(`${reason}\n${execFileSync("docker", ["logs", "--tail", "30", server], { encoding: "utf8" })}`));
}

function present(tag: string): boolean {
  try {
    return execFileSync("docker", ["image", "inspect", "-f", "ok", tag], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim() === "ok";
  } catch {
    return false;
  }
}
