import type { Pod } from "../src/cluster/pod";
import { restoredName, restoredPod } from "../src/services/restored-pod";
import { pod } from "./support/cluster";

const build = (given: Pod): { metadata: Record<string, unknown>; spec: Record<string, unknown> } =>
  restoredPod({
    pod: given,
    name: "new",
    node: "node-1",
    checkpointId: "c",
    actionId: "a",
    runtimeClass: "rc",
  }) as never;

describe("A restored pod", () => {
  test("is on the checkpoint's node by affinity alone, in the runtime's class, from the image that is there", () => {
    const { spec } = build(
      pod("web", {
        spec: {
          nodeSelector: { disk: "ssd" },
          affinity: { podAntiAffinity: {} },
          topologySpreadConstraints: [{}],
          schedulingGates: [],
          overhead: { cpu: "1" },
          tolerations: [{ key: "k" }],
        },
      }),
    );
    expect(spec).toEqual({
      tolerations: [{ key: "k" }],
      hostname: "web",
      runtimeClassName: "rc",
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["node-1"] }] }],
          },
        },
      },
      containers: [{ name: "app", image: "demo:1", imagePullPolicy: "Never" }],
    });
  });

  test("belongs to nobody: no owner, no labels of controllers, no stale annotations, only its own status", () => {
    const { metadata } = build(
      pod("web", {
        metadata: {
          labels: {
            app: "web",
            "pod-template-hash": "1",
            "controller-uid": "2",
            "batch.kubernetes.io/controller-uid": "2",
            "apps.kubernetes.io/pod-index": "0",
          },
          annotations: {
            mine: "kept",
            "runc-cr.dev/restore": "an older one",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "cni.projectcalico.org/podIP": "10.0.0.1",
          },
          ownerReferences: [{ kind: "ReplicaSet", name: "rs" }],
          resourceVersion: "7",
          managedFields: [],
          generateName: "web-",
          finalizers: ["x"],
        },
      }),
    );
    expect(metadata).toEqual({
      name: "new",
      namespace: "demo",
      labels: { app: "web" },
      annotations: {
        mine: "kept",
        "runc-cr.dev/restore": "c",
        "bay-e2e.dev/restore-action": "a",
        "bay-e2e.dev/restored-from": expect.stringMatching(/^web\//),
      },
    });
  });

  test("has the volumes at their places, the account's token among them, and no init containers", () => {
    const volumes = [
      { name: "data", persistentVolumeClaim: { claimName: "data" } },
      { name: "kube-api-access-x", projected: { sources: [] } },
    ];
    const volumeMounts = [
      { name: "data", mountPath: "/data" },
      { name: "kube-api-access-x", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" },
    ];
    const { spec } = build(
      pod("web", {
        spec: { volumes, initContainers: [{ name: "init", image: "x" }], ephemeralContainers: [{ name: "debug" }] },
        container: { volumeMounts },
      }),
    );
    expect(spec).toMatchObject({ volumes, containers: [{ volumeMounts }] });
    expect(Object.keys(spec)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/initContainers|ephemeralContainers|nodeName/)]),
    );
  });

  test.each<[string, object, string | undefined]>([
    ["web", {}, "web"],
    ["web", { hostname: "set" }, "set"],
    ["a.b", {}, undefined],
    ["x".repeat(80), {}, "x".repeat(63)],
    [`${"x".repeat(62)}-yy`, {}, "x".repeat(62)],
  ])("of %s with %j has the old host name", (name, spec, expected) => {
    expect(build(pod(name, { spec })).spec["hostname"]).toBe(expected);
  });

  test.each<[string, RegExp]>([
    ["web", /^web-restored-[0-9a-f]{6}$/],
    ["web-restored-0a1b2c", /^web-restored-0a1b2c-restored-[0-9a-f]{6}$/],
    [`${"w".repeat(20)}-restored-0a1b2c-restored-3d4e5f`, /^w{20}-restored-[0-9a-f]{6}$/],
    ["w".repeat(100), /^w{47}-restored-[0-9a-f]{6}$/],
    [`${"w".repeat(46)}.-x`, /^w{46}-restored-[0-9a-f]{6}$/],
  ])("of %s has a name that says so", (old, expected) => {
    const name = restoredName(old);
    expect(name).toMatch(expected);
    expect(name.length).toBeLessThanOrEqual(63);
    expect(restoredName(old)).not.toBe(name);
  });
});
