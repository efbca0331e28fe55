/** What the tests of nodes have in common. */
import { execFileSync } from "node:child_process";
import { run } from "../../infra/support/exec";
import { waitFor } from "../../infra/support/wait";

/** Whether the daemon has an image: tests of what is not made on a host are skipped there, by name. */
export function present(tag: string): boolean {
  try {
    return (
      execFileSync("docker", ["image", "inspect", "-f", "ok", tag], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      }).trim() === "ok"
    );
  } catch {
    return false;
  }
}

export function containerAddress(name: string): Promise<string> {
  return run(["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name]);
}

export function inNode(node: string, ...argv: string[]): Promise<string> {
  return run(["docker", "exec", node, ...argv]);
}

/** A cluster, as its control plane's container and an image with Node.js in it. */
export class TestCluster {
  constructor(
    readonly server: string,
    readonly image: string,
  ) {}

  kubectl(...argv: string[]): Promise<string> {
    return inNode(this.server, "kubectl", ...argv);
  }

  async apply(object: unknown): Promise<void> {
    await run(["docker", "exec", "-i", this.server, "kubectl", "apply", "-f", "-"], { input: JSON.stringify(object) });
  }

  /** Makes a pod on a node that answers HTTP requests with the address that they came from, and waits for it. */
  async runPod(name: string, node: string, spec: object = {}, container: object = {}): Promise<void> {
    const program =
      "require('http').createServer((request, response) => response.end(request.socket.remoteAddress.replace('::ffff:', ''))).listen(8080)";
    await this.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, labels: { app: name } },
      spec: {
        nodeSelector: { "kubernetes.io/hostname": node },
        tolerations: [{ operator: "Exists" }],
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: "c",
            image: `docker.io/${this.image}`,
            imagePullPolicy: "Never",
            command: ["node", "-e", program],
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
            ...container,
          },
        ],
        ...spec,
      },
    });
    await this.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=60s");
  }

  /** A pod `server` with a Service on one node, a pod `client` on another. */
  async runPair(serverNode: string, clientNode: string): Promise<void> {
    await this.apply({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "server" },
      spec: { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    await this.runPod("server", serverNode);
    await this.runPod("client", clientNode);
  }

  podAddress(name: string): Promise<string> {
    return this.kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}");
  }

  /** What a host answers to the client pod. */
  ask(host: string, port: number): Promise<string> {
    return this.kubectl(
      "exec",
      "client",
      "--",
      "node",
      "-e",
      `fetch("http://${host}:${port}").then((r) => r.text()).then(console.log)`,
    );
  }

  /** Binds a claim of an ordinary user's pod on a node, and sees that its folder is there and goes with it. */
  async proveVolumes(node: string, folder: string): Promise<void> {
    const folders = () => inNode(node, "ls", folder);
    await this.apply({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "data" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "16Mi" } } },
    });
    await this.runPod(
      "writer",
      node,
      { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }] },
      { securityContext: { runAsUser: 1000 }, volumeMounts: [{ name: "data", mountPath: "/data" }] },
    );
    await this.kubectl("exec", "writer", "--", "sh", "-c", "echo kept > /data/file");
    const name = await folders();
    expect(name).toMatch(/^pvc-[^\n]*_default_data$/);
    expect(await inNode(node, "cat", `${folder}/${name}/file`)).toBe("kept");
    await this.kubectl("delete", "pod/writer", "pvc/data", "--now", "--timeout=30s");
    await this.until(
      async () => `${await folders()}${await this.kubectl("get", "pv", "-o", "name")}`,
      (left) => left === "",
    );
  }

  /** @param deadline milliseconds */
  async until(look: () => Promise<string>, wanted: (seen: string) => boolean, deadline = 60_000): Promise<void> {
    await waitFor(
      async () => {
        const seen = await look().catch((error: unknown) => String(error));
        return wanted(seen) ? { value: true } : { reason: seen || "nothing" };
      },
      { deadline },
      (reason) =>
        new Error(`${reason}\n${execFileSync("docker", ["logs", "--tail", "30", this.server], { encoding: "utf8" })}`),
    );
  }
}
