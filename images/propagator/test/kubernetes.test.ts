import { pino } from "pino";
import { KubeClient, KubeError } from "../../common/src/kubernetes/client";
import { KubernetesCluster } from "../src/cluster/kubernetes";
import { pod } from "./support/cluster";

const ACCOUNT = { clusterRole: "place-prop-pods", serviceAccount: "place:prop" };
const TRY =
  "try: kubectl create rolebinding propagator --namespace tenant --clusterrole place-prop-pods --serviceaccount place:prop";

/**
 * Answers as an API server does whose authorizer knows the account in namespace `mine` only; the suites ask a real one.
 */
describe("A propagator without rights in a namespace", () => {
  const mine = pod("here", { metadata: { namespace: "mine" } });
  beforeAll(() => {
    jest.spyOn(KubeClient.prototype, "call").mockImplementation(async (method: string, path: string) => {
      const namespace = /namespaces\/([^/?]+)/.exec(path)?.[1];
      if (namespace === "mine") return { items: [mine] };
      const where = namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
      throw new KubeError(
        403,
        "Forbidden",
        namespace === "strict"
          ? 'pods "here" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
          : `pods is forbidden: User "system:serviceaccount:place:prop" cannot ${method === "POST" ? "create" : "list"} resource "pods" in API group "" ${where}`,
      );
    });
  });
  afterAll(() => {
    jest.restoreAllMocks();
  });

  const open = (namespaces: string[], account = ACCOUNT) => {
    const access = { host: "127.0.0.1", port: 1, token: () => undefined };
    return new KubernetesCluster(
      access,
      { namespace: "place", namespaces, agentSelector: "a=b", agentPort: 1, ...account },
      pino({ level: "silent" }),
    );
  };
  const refusal = (call: Promise<unknown>) =>
    call.then(
      () => "not refused",
      (error: { reason?: string; code?: string; message: string }) => [error.reason ?? error.code, error.message],
    );

  test.each<[string, (cluster: KubernetesCluster) => Promise<unknown>]>([
    ["reads a pod", (cluster) => cluster.pod("tenant", "p")],
    ["asks for access", (cluster) => cluster.requireAccess("tenant")],
    ["makes a pod", (cluster) => cluster.createPod({}, "tenant")],
    ["deletes a pod", (cluster) => cluster.deletePod("tenant", "p", "u")],
  ])("is refused by name, with the command that gives them, where it %s", async (_what, call) => {
    const cluster = open([]);
    expect(await refusal(call(cluster))).toEqual(["forbidden_namespace", expect.stringContaining(TRY)]);
    cluster.close();
  });

  test("says what is needed where it does not know its role's name", async () => {
    const cluster = open([], { clusterRole: "", serviceAccount: "" });
    expect(await refusal(cluster.requireAccess("tenant"))).toEqual([
      "forbidden_namespace",
      expect.stringContaining("give the propagator's account pods"),
    ]);
    cluster.close();
  });

  test("finds a pod by its UID in the namespaces that are left", async () => {
    const [some, all] = [open(["tenant", "mine"]), open([])];
    expect((await some.podByUid(mine.metadata.uid))?.metadata.name).toBe("here");
    expect(await all.podByUid(mine.metadata.uid)).toBeUndefined();
    [some, all].forEach((cluster) => {
      cluster.close();
    });
  });

  test("tells a pod that admission forbids from a right that is missing", async () => {
    const cluster = open([]);
    expect(await refusal(cluster.createPod({}, "strict"))).toEqual([
      "pod_refused",
      expect.stringContaining("PodSecurity"),
    ]);
    cluster.close();
  });
});
