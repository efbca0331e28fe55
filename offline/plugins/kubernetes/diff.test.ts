import { UNKNOWN, type ValueMap } from "../rpc/values";
import { diffObjects } from "./diff";
import { normalize } from "./normalize";
import { RECORDED } from "./testing/recorded";

/** What an API server adds to an object that it stores. */
function stored(inputs: ValueMap, spec: ValueMap = {}): ValueMap {
  const normalized = normalize(inputs);
  const object = inputs as { metadata: ValueMap; spec?: ValueMap };
  return {
    ...normalized,
    metadata: {
      ...object.metadata,
      uid: "u",
      resourceVersion: "7",
      creationTimestamp: "2026-01-01T00:00:00Z",
      generation: 1,
    },
    ...(object.spec ? { spec: { ...(normalized.spec as ValueMap), dnsPolicy: "ClusterFirst", ...spec } } : {}),
    status: { phase: "Running" },
  };
}

const compare = (
  before: ValueMap,
  after: ValueMap,
  live = stored(before),
  more: Partial<Parameters<typeof diffObjects>[0]> = {},
) => diffObjects({ oldInputs: normalize(before), live, newInputs: normalize(after), namespaced: true, ...more });

const configMap = (data: ValueMap, metadata: ValueMap = {}): ValueMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "a", namespace: "n", ...metadata },
  data,
});

describe("decisions of the official plugin", () => {
  it.each(RECORDED)("$step", ({ before, after, detailed, replaces, deleteBeforeReplace }) => {
    const result = compare(before, after);
    expect(Object.fromEntries(Object.entries(result.detailed ?? {}).map(([path, { kind }]) => [path, kind]))).toEqual(
      detailed,
    );
    expect([...(result.replaces ?? [])].sort()).toEqual(replaces);
    expect(result.deleteBeforeReplace).toBe(deleteBeforeReplace);
    expect(result.changes).toBe(Object.keys(detailed).length > 0);
  });

  it("tells only deletions from the inputs", () => {
    const kinds = RECORDED.flatMap(({ before, after }) => Object.values(compare(before, after).detailed ?? {}));
    expect(kinds.every(({ kind, inputDiff }) => inputDiff === kind.startsWith("delete"))).toBe(true);
  });
});

describe("drift", () => {
  const deployment = (replicas: number): ValueMap => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d", namespace: "n" },
    spec: { replicas, selector: { matchLabels: { app: "d" } } },
  });

  it("of a declared field is a change", () => {
    expect(compare(deployment(1), deployment(1), stored(deployment(3))).detailed).toEqual({
      "spec.replicas": { kind: "update", inputDiff: false },
    });
  });

  it("of a field that the program never declared is none", () => {
    const live = stored(deployment(1), { revisionHistoryLimit: 3 });
    expect(
      compare(deployment(1), deployment(1), {
        ...live,
        metadata: { ...(live.metadata as ValueMap), labels: { hand: "made" } },
      }).changes,
    ).toBe(false);
  });
});

describe("names and namespaces", () => {
  it("replaces an object whose name changes, and makes the new one first", () => {
    const result = compare(configMap({}, { name: "a" }), configMap({}, { name: "b" }));
    expect(result).toMatchObject({ replaces: ["metadata.name"], deleteBeforeReplace: false });
  });

  it("replaces an object whose namespace changes, and makes the new one first", () => {
    expect(compare(configMap({}), configMap({}, { namespace: "m" }))).toMatchObject({
      replaces: ["metadata.namespace"],
      deleteBeforeReplace: false,
    });
  });

  it("takes no namespace and `default` for the same", () => {
    const none: ValueMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { k: "v" } };
    expect(
      compare(
        none,
        configMap({ k: "v" }, { namespace: "default" }),
        stored(configMap({ k: "v" }, { namespace: "default" })),
      ).changes,
    ).toBe(false);
  });

  it("ignores a namespace on an object that lives in none", () => {
    const role: ValueMap = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "r" },
      rules: [],
    };
    expect(
      compare(role, { ...role, metadata: { name: "r", namespace: "n" } }, stored(role), { namespaced: false }).changes,
    ).toBe(false);
  });
});

describe("values", () => {
  it("counts an unknown value as a change of that value", () => {
    expect(compare(configMap({ k: "v" }), configMap({ k: UNKNOWN })).detailed).toEqual({
      "data.k": { kind: "update-replace", inputDiff: false },
    });
  });

  it("takes quantities that mean the same for the same", () => {
    const pod = (cpu: string, memory: string): ValueMap => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "n" },
      spec: { containers: [{ name: "c", resources: { requests: { cpu, memory } } }] },
    });
    expect(compare(pod("0.5", "1024Mi"), pod("500m", "1Gi"), stored(pod("500m", "1Gi"))).changes).toBe(false);
  });

  it("ignores empty lists and maps that the API server drops", () => {
    const pod = (rest: ValueMap): ValueMap => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "n", labels: {} },
      spec: { containers: [{ name: "c", env: [], ...rest }] },
    });
    const live = stored({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "n" },
      spec: { containers: [{ name: "c" }] },
    });
    expect(compare(pod({}), pod({}), live).changes).toBe(false);
  });

  it("leaves out changes that the program ignores, with all below them", () => {
    const before = configMap({ a: "1", b: "1" }, { labels: { x: "1" } });
    const after = configMap({ a: "2", b: "2" }, { labels: { x: "2" } });
    expect(compare(before, after, stored(before), { ignoreChanges: ["data.a", "metadata"] }).replaces).toEqual([
      "data.b",
    ]);
  });

  it("keeps an `emptyDir: {}` that is added", () => {
    const pod = (volumes: ValueMap[]): ValueMap => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "n" },
      spec: { containers: [{ name: "c" }], volumes },
    });
    expect(compare(pod([{ name: "v", hostPath: { path: "/" } }]), pod([{ name: "v", emptyDir: {} }])).replaces).toEqual(
      expect.arrayContaining(["spec.volumes[0].emptyDir"]),
    );
  });
});

describe("replacement rules", () => {
  const changed = (apiVersion: string, kind: string, before: ValueMap, after: ValueMap, settings = {}): string[] => {
    const object = (rest: ValueMap): ValueMap => ({
      apiVersion,
      kind,
      metadata: { name: "a", namespace: "n" },
      ...rest,
    });
    return compare(object(before), object(after), stored(object(before)), { settings }).replaces ?? [];
  };
  it.each<[string, string, ValueMap, ValueMap, string[]]>([
    [
      "apps/v1",
      "Deployment",
      { spec: { selector: { matchLabels: { a: "1" } } } },
      { spec: { selector: { matchLabels: { a: "2" } } } },
      ["spec.selector.matchLabels.a"],
    ],
    [
      "apps/v1",
      "Deployment",
      { spec: { template: { spec: { containers: [{ name: "c", image: "x" }] } } } },
      { spec: { template: { spec: { containers: [{ name: "c", image: "y" }] } } } },
      [],
    ],
    ["apps/v1", "StatefulSet", { spec: { serviceName: "a" } }, { spec: { serviceName: "b" } }, ["spec.serviceName"]],
    [
      "apps/v1",
      "DaemonSet",
      { spec: { selector: { matchLabels: { a: "1" } } } },
      { spec: { selector: { matchLabels: { b: "1" } } } },
      ["spec.selector.matchLabels.b", "spec.selector.matchLabels.a"],
    ],
    [
      "batch/v1",
      "Job",
      { spec: { template: { spec: { containers: [{ name: "c", image: "x" }] } } } },
      { spec: { template: { spec: { containers: [{ name: "c", image: "y" }] } } } },
      ["spec.template.spec.containers[0].image"],
    ],
    [
      "rbac.authorization.k8s.io/v1",
      "RoleBinding",
      { roleRef: { name: "a" } },
      { roleRef: { name: "b" } },
      ["roleRef.name"],
    ],
    ["v1", "Service", { spec: { clusterIP: "10.0.0.1" } }, { spec: { clusterIP: "None" } }, ["spec.clusterIP"]],
    ["v1", "Service", { spec: { type: "ClusterIP" } }, { spec: { type: "NodePort" } }, []],
    [
      "v1",
      "PersistentVolumeClaim",
      { spec: { resources: { requests: { storage: "1Gi" } } } },
      { spec: { resources: { requests: { storage: "2Gi" } } } },
      [],
    ],
    ["v1", "Secret", { type: "Opaque" }, { type: "kubernetes.io/tls" }, ["type"]],
    [
      "v1",
      "Pod",
      { spec: { initContainers: [{ name: "i", command: ["a"] }] } },
      { spec: { initContainers: [{ name: "i", command: ["b"] }] } },
      ["spec.initContainers[0].command[0]"],
    ],
    ["example.com/v1", "Thing", { spec: { a: 1 } }, { spec: { a: 2 } }, []],
  ])("%s %s: %j to %j", (apiVersion, kind, before, after, replaces) => {
    expect(changed(apiVersion, kind, before, after)).toEqual(replaces);
  });

  it("updates config maps and secrets in place where the provider says so, unless they are immutable", () => {
    const mutable = { enableConfigMapMutable: true, enableSecretMutable: true };
    expect(changed("v1", "ConfigMap", { data: { k: "1" } }, { data: { k: "2" } }, mutable)).toEqual([]);
    expect(changed("v1", "Secret", { data: { k: "MQ==" } }, { data: { k: "Mg==" } }, mutable)).toEqual([]);
    expect(
      changed("v1", "ConfigMap", { immutable: true, data: { k: "1" } }, { immutable: true, data: { k: "2" } }, mutable),
    ).toEqual(["data.k"]);
  });
});
