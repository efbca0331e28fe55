import { createHash, randomUUID } from "node:crypto";
import { PropagatorClient } from "../../cli/propagator/client";
import { refusalOf } from "../checkpoint/support/rig";
import { lacks } from "../support/lacking";
import { uniqueName } from "../support/names";
import { outside } from "../support/outside";
import { cluster, perFile, perTest, stack } from "../support/suite";
import type { HostileOutside } from "./support/environment";

const { kube } = cluster;
const mine = perTest();
const shared = perFile();
const { source, namespace: home, release } = stack.checkpoint;
const CONTAINER = "4f".repeat(32);

let client: PropagatorClient;
let agentUrl: string;
let agentToken: string;

/** The way into an agent, by a port-forward: whoever gets past the network policies stands there. */
beforeAll(async () => {
  if (source !== "propagator") lacks("a propagator of this repository");
  const way = await (outside() as HostileOutside).openPropagator();
  shared.add("way to the propagator", () => way.close());
  client = new PropagatorClient(way);
  shared.add("client", async () => {
    client.close();
  });
  const [agent] = await kube.pods(home, `app.kubernetes.io/instance=${release},app.kubernetes.io/component=agent`);
  const forward = await outside().openForward({
    kubeconfig: stack.kubeconfig,
    namespace: home,
    pod: agent!.metadata!.name!,
    port: 1325,
    healthPath: "/healthz",
  });
  shared.add("way to the agent", () => forward.close());
  agentUrl = forward.url;
  const secret = await kube.read<{ metadata: { name: string }; data?: Record<string, string> }>({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: `${release}-secrets`, namespace: home },
  });
  agentToken = Buffer.from(secret!.data!["agent-token"]!, "base64").toString();
});

/** A call of the agent: its status, and the code of a refusal. */
async function ask(token: string, method: string, path: string, body?: object): Promise<string> {
  const response = await fetch(agentUrl + path, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return `${response.status} ${((await response.json()) as { code?: string }).code ?? ""}`.trim();
}

describe("an agent of the propagator", () => {
  it("does not know the API's token, nor what could be made of it", async () => {
    const derived = createHash("sha256").update(`agent ${stack.propagatorToken}`).digest("hex");
    expect(agentToken).not.toBe(derived);
    for (const token of [stack.propagatorToken, derived, "", "guess"]) {
      expect(await ask(token, "GET", "/checkpoints")).toBe("401 unauthorized");
      expect(
        await ask(token, "PUT", `/dumps/${randomUUID()}`, {
          container: CONTAINER,
          runcRoot: "/run/containerd/runc/k8s.io",
          maxBytes: 1,
        }),
      ).toBe("401 unauthorized");
      expect(await ask(token, "DELETE", `/checkpoints/${randomUUID()}`)).toBe("401 unauthorized");
    }
    expect(await ask(agentToken, "GET", "/checkpoints")).toBe("200");
  });

  it.each(["/run/elsewhere", "/run/containerd/runc/k8s.io/../../../../etc", "/etc", "/run/containerd/runc/k8s.io/"])(
    "goes by its own list of runc's folders, even for the server: %s",
    async (runcRoot) => {
      expect(
        await ask(agentToken, "PUT", `/dumps/${randomUUID()}`, { container: CONTAINER, runcRoot, maxBytes: 1 }),
      ).toBe("400 runc_root_unknown");
    },
  );

  it.each([
    ["DELETE", "/checkpoints/..%2f..%2fetc"],
    ["DELETE", "/checkpoints/%2fetc"],
    ["POST", "/checkpoints/..%2fx/verify"],
    ["PUT", "/dumps/..%2f..%2froot"],
  ])("takes ids and no paths: %s %s", async (method, path) => {
    expect(
      await ask(agentToken, method, path, {
        container: CONTAINER,
        runcRoot: "/run/containerd/runc/k8s.io",
        maxBytes: 1,
      }),
    ).toBe("400 bad_request");
  });

  it("and the server keep their tokens out of their logs, arguments and manifests", async () => {
    const pods = await kube.pods(home, `app.kubernetes.io/instance=${release}`);
    const logs = await Promise.all(pods.map(({ metadata }) => kube.log(home, metadata!.name!)));
    for (const secret of [agentToken, stack.propagatorToken])
      expect(JSON.stringify([pods, logs])).not.toContain(secret);
    expect(pods.length).toBeGreaterThanOrEqual(2);
  });
});

describe("the propagator without rights in a namespace", () => {
  it("refuses by name, with the command that gives them; once given, it looks there", async () => {
    const namespace = uniqueName("unbound");
    mine.add(`namespace ${namespace}`, () =>
      kube.remove({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }),
    );
    await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const call = () => client.checkpointPod({ pod_name: "none", namespace, cluster_id: stack.checkpoint.clusterId });
    expect(await refusalOf(call())).toBe("403 forbidden_namespace");
    const said = await call().then(
      () => "",
      (error: Error) => error.message,
    );
    const [, role, account] =
      /kubectl create rolebinding propagator --namespace \S+ --clusterrole (\S+) --serviceaccount (\S+)/.exec(said) ??
      [];
    expect(said).toContain(`--namespace ${namespace} `);
    const [place = "", name = ""] = account!.split(":");
    await kube.create({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "propagator", namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ kind: "ServiceAccount", name, namespace: place }],
    } as never);
    expect(await refusalOf(call())).toBe("404 pod_not_found");
  });

  it("reaches no pod of the system, by name or by UID", async () => {
    const [pod] = [...(await kube.pods("kube-system")), ...(await kube.pods(home))];
    const { name = "", namespace = "", uid = "" } = pod!.metadata!;
    const foreign = namespace === home ? "kube-system" : namespace;
    expect(
      await refusalOf(
        client.checkpointPod({ pod_name: name, namespace: foreign, cluster_id: stack.checkpoint.clusterId }),
      ),
    ).toBe("403 forbidden_namespace");
    expect(await refusalOf(client.checkpointPod({ pod_id: uid }))).toBe("404 pod_not_found");
  });

  it("takes no runc root that is not its own", async () => {
    expect(
      await refusalOf(
        client.checkpointPod({
          pod_name: stack.pod,
          namespace: stack.namespace,
          cluster_id: stack.checkpoint.clusterId,
          runc_root: "/etc",
        }),
      ),
    ).toBe("400 runc_root_unknown");
  });
});
