import { type Get, holdsOf } from "../../../infra/support/namespace-holds";
import { pendingIn } from "../../../infra/support/pending-pods";

const list = (...items: object[]) => ({ items });
const asked =
  (answers: Record<string, unknown>): Get =>
  <T>(path: string) =>
    Promise.resolve(answers[path.split("?")[0]!] as T | undefined);
const past = new Date(Date.now() - 60_000).toISOString();
const condition = (type: string, message: string) => ({ type, status: "True", reason: type, message });
const namespace = (conditions: object[], more: object = {}) => ({
  metadata: { name: "ns", deletionTimestamp: past, ...more },
  spec: { finalizers: ["kubernetes"] },
  status: { phase: "Terminating", conditions },
});
const left = (...kinds: string[]) =>
  condition(
    "NamespaceContentRemaining",
    `Some resources are remaining: ${kinds.map((kind) => `${kind} has 1 resource instances`).join(", ")}`,
  );
const core = "/api/v1/namespaces/ns";

describe("what holds a namespace is told, with the command that helps", () => {
  test("an API that does not answer", async () => {
    const failure = condition("NamespaceDeletionDiscoveryFailure", "Discovery failed for some groups, 1 failing");
    const dead = {
      metadata: { name: "v1.dead.example.com" },
      spec: { service: { namespace: "x", name: "dead" } },
      status: {
        conditions: [
          { type: "Available", status: "False", reason: "ServiceNotFound", message: "service/dead is not present" },
        ],
      },
    };
    const { text, next } = await holdsOf(
      asked({ [core]: namespace([failure]), "/apis/apiregistration.k8s.io/v1/apiservices": list(dead) }),
      "ns",
      "kubectl --context c",
    );
    expect(text).toMatch(
      /the API v1\.dead\.example\.com, served by x\/dead, does not answer.*NamespaceDeletionDiscoveryFailure.*ServiceNotFound: service\/dead is not present/,
    );
    expect(next).toMatch(/^kubectl --context c delete apiservice v1\.dead\.example\.com {3}\(/);
  });

  test("a finalizer of a custom resource, whose group is looked up", async () => {
    const { holds } = await holdsOf(
      asked({
        [core]: namespace([left("widgets.example.com")]),
        "/apis/example.com": { preferredVersion: { groupVersion: "example.com/v2" } },
        "/apis/example.com/v2/namespaces/ns/widgets": list({
          metadata: { name: "w", deletionTimestamp: past, finalizers: ["example.com/hold"] },
        }),
      }),
      "ns",
      "kubectl",
    );
    expect(holds).toEqual([
      {
        what: "widgets.example.com w has the finalizer example.com/hold, which what set it has not taken away",
        passing: false,
        next: expect.stringMatching(
          /^kubectl --namespace ns patch widgets\.example\.com w --type=merge --patch '\{"metadata":\{"finalizers":null\}\}' {3}\(/,
        ) as string,
      },
    ]);
  });

  test("a pod whose node is gone, before the claim that it uses", async () => {
    const pod = {
      metadata: { name: "p", deletionTimestamp: past },
      spec: { nodeName: "lost", volumes: [{ persistentVolumeClaim: { claimName: "data" } }] },
    };
    const claim = { metadata: { name: "data", deletionTimestamp: past, finalizers: ["kubernetes.io/pvc-protection"] } };
    const { holds } = await holdsOf(
      asked({
        [core]: namespace([left("persistentvolumeclaims.", "pods.")]),
        [`${core}/pods`]: list(pod),
        [`${core}/persistentvolumeclaims`]: list(claim),
      }),
      "ns",
      "kubectl",
    );
    expect(holds.map(({ what, passing }) => [what, passing])).toEqual([
      ["pods p waits for its node lost, which the cluster does not have any more", false],
      ["persistentvolumeclaims data is used by pod p (finalizer kubernetes.io/pvc-protection)", true],
    ]);
    expect(holds[0]!.next).toMatch(/delete pod p --force --grace-period=0 {3}\(if node lost is gone for good\)/);
  });

  test("a webhook that refuses, a finalizer of its own, a controller that does not run", async () => {
    const refused = condition(
      "NamespaceDeletionContentFailure",
      'failed calling webhook "deny.example.com": no endpoints',
    );
    expect((await holdsOf(asked({ [core]: namespace([refused]) }), "ns", "kubectl")).next).toMatch(
      /get validatingwebhookconfigurations.*deny\.example\.com refuses/,
    );
    expect(
      (await holdsOf(asked({ [core]: namespace([], { finalizers: ["example.com/own"] }) }), "ns", "kubectl")).text,
    ).toMatch(/the namespace itself has the finalizer example\.com\/own/);
    expect((await holdsOf(asked({ [core]: namespace([]) }), "ns", "kubectl")).text).toMatch(
      /its controller has not looked at it for 6\d s/,
    );
  });

  test("nothing, once it is gone", async () => {
    expect(await holdsOf(asked({}), "ns", "kubectl")).toEqual({ holds: [], text: "it is gone", next: "" });
  });
});

describe("why a pod or a claim is not ready", () => {
  const waiting = (waitingState: object) => ({
    metadata: { name: "p" },
    spec: { nodeName: "n" },
    status: { phase: "Pending", containerStatuses: [{ name: "c", ready: false, state: { waiting: waitingState } }] },
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      "an image that cannot be pulled",
      { [`${core}/pods`]: list(waiting({ reason: "ImagePullBackOff", message: "Back-off pulling image x" })) },
      /pod ns\/p: container c waits, ImagePullBackOff: Back-off pulling image x/,
    ],
    [
      "no node with room",
      {
        [`${core}/pods`]: list({
          metadata: { name: "p" },
          status: {
            phase: "Pending",
            conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes: Insufficient memory" }],
          },
        }),
      },
      /no node has taken it: 0\/1 nodes: Insufficient memory/,
    ],
    [
      "a StorageClass that is missing",
      {
        [`${core}/persistentvolumeclaims`]: list({
          metadata: { name: "data" },
          spec: { storageClassName: "fast" },
          status: { phase: "Pending" },
        }),
      },
      /data wants the StorageClass fast, which the cluster does not have/,
    ],
    [
      "a provisioner that says nothing",
      {
        [`${core}/persistentvolumeclaims`]: list({
          metadata: { name: "data" },
          spec: { storageClassName: "fast" },
          status: { phase: "Pending" },
        }),
        "/apis/storage.k8s.io/v1/storageclasses": list({ metadata: { name: "fast" }, provisioner: "example.com/disk" }),
      },
      /no volume yet from example\.com\/disk: its provisioner has said nothing/,
    ],
    [
      "a quota",
      {
        [`${core}/events`]: list({
          reason: "FailedCreate",
          message: "exceeded quota: preview",
          involvedObject: { kind: "ReplicaSet", name: "r" },
        }),
      },
      /quota of ns: exceeded quota: preview/,
    ],
  ])("%s", async (_, answers, text) => {
    expect((await pendingIn(asked(answers), "ns")).join("; ")).toMatch(text);
  });

  test("a claim that waits for its first pod is well", async () => {
    const answers = {
      [`${core}/persistentvolumeclaims`]: list({
        metadata: { name: "data" },
        spec: { storageClassName: "lazy" },
        status: { phase: "Pending" },
      }),
      "/apis/storage.k8s.io/v1/storageclasses": list({
        metadata: { name: "lazy" },
        provisioner: "p",
        volumeBindingMode: "WaitForFirstConsumer",
      }),
    };
    expect(await pendingIn(asked(answers), "ns")).toEqual([]);
  });
});
