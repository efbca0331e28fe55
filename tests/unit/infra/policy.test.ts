import * as pulumi from "@pulumi/pulumi";
import { Access, BAY_RULES } from "../../../infra/components/access";
import { Bay } from "../../../infra/components/bay";
import { CheckpointRuntime } from "../../../infra/components/checkpoint-runtime";
import { Namespace } from "../../../infra/components/namespace";
import { Network } from "../../../infra/components/network";
import { PROFILES } from "../../../infra/components/profiles";
import { dockerLabelsOf, labelsOf, ownerOf } from "../../../infra/naming";
import type { Declared } from "../../../infra/policy/objects";
import { RULES } from "../../../infra/policy/rules";

const DIGEST = `@sha256:${"0".repeat(64)}`;
const owner = ownerOf("/somewhere", "k3s");
const container = {
  name: "main",
  image: `registry.example/app${DIGEST}`,
  resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { memory: "1Gi" } },
};

const of = (type: string, props: object, parents = "pulumi:pulumi:Stack"): Declared => ({
  type,
  urn: `urn:pulumi:k3s::bay-e2e::${parents}$${type}::it`,
  props: props as Declared["props"],
});
const pod = (spec: object = {}, labels: object = {}) =>
  of("kubernetes:core/v1:Pod", {
    metadata: { labels },
    spec: { serviceAccountName: "app", containers: [container], ...spec },
  });
const withContainer = (more: object) => pod({ containers: [{ ...container, ...more }] });
const template = (type: string, spec: object) =>
  of(type, { spec: { template: { spec: { serviceAccountName: "app", containers: [container], ...spec } } } });
const role = (rule: object) => of("kubernetes:rbac.authorization.k8s.io/v1:Role", { rules: [...BAY_RULES, rule] });
const dockerLabels = Object.entries(dockerLabelsOf(owner)).map(([label, value]) => ({ label, value }));

interface Case {
  passing: Declared[];
  violating: [resource: Declared, wanted: string][];
}

const CASES: Record<string, Case> = {
  "no-wildcard-rbac": {
    passing: [
      role({ apiGroups: [""], resources: ["pods"], verbs: ["get"] }),
      of("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", { roleRef: { name: "bay-role" } }),
    ],
    violating: [
      [role({ apiGroups: [""], resources: ["pods"], verbs: ["*"] }), "rules[3].verbs has a wildcard"],
      [role({ apiGroups: ["*"], resources: ["pods"], verbs: ["get"] }), "rules[3].apiGroups has a wildcard"],
      [
        of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", {
          rules: [{ nonResourceURLs: ["/healthz/*"], verbs: ["get"] }],
        }),
        "rules[0].nonResourceURLs has a wildcard",
      ],
      [
        of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", { roleRef: { name: "cluster-admin" } }),
        "it binds cluster-admin",
      ],
    ],
  },
  "no-privileged-pod": {
    passing: [
      pod(),
      pod({ volumes: [{ name: "tmp", emptyDir: {} }] }),
      of("docker:index/container:Container", { privileged: true }, "bay-e2e:index:Cluster"),
      of(
        "kubernetes:core/v1:Namespace",
        { metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } } },
        "bay-e2e:index:Checkpoint$bay-e2e:index:Namespace",
      ),
    ],
    violating: [
      [withContainer({ securityContext: { privileged: true } }), "container main is privileged"],
      [template("kubernetes:apps/v1:DaemonSet", { hostPID: true }), "hostPID is set"],
      [pod({ volumes: [{ name: "root", hostPath: { path: "/" } }] }), "volume root is a folder of the node"],
      [of("docker:index/container:Container", { privileged: true }), "privileged is set"],
      [
        of("kubernetes:core/v1:Namespace", {
          metadata: { labels: { "pod-security.kubernetes.io/enforce": "privileged" } },
        }),
        "it admits privileged pods",
      ],
    ],
  },
  "images-by-content": {
    passing: [pod(), withContainer({ image: "docker.io/bay-e2e/bay:0123456789ab" })],
    violating: [
      [withContainer({ image: "docker.io/library/node:24" }), "docker.io/library/node:24, which may become another"],
      [withContainer({ image: "docker.io/bay-e2e/bay:latest" }), "bay:latest"],
      [pod({ initContainers: [{ name: "first", image: "busybox" }] }), "container first has the image busybox"],
    ],
  },
  "resources-set": {
    passing: [pod(), template("kubernetes:apps/v1:Deployment", {})],
    violating: [
      [withContainer({ resources: { requests: { cpu: "1", memory: "1Gi" } } }), "container main has no limits.memory"],
      [withContainer({ resources: {} }), "container main has no requests.cpu"],
      [
        of("kubernetes:batch/v1:CronJob", {
          spec: {
            jobTemplate: { spec: { template: { spec: { containers: [{ ...container, resources: undefined }] } } } },
          },
        }),
        "container main has no requests.memory",
      ],
    ],
  },
  "no-token-in-sandboxes": {
    passing: [
      pod(),
      pod({ automountServiceAccountToken: false }, { "bay.managed": "true" }),
      pod({ serviceAccountName: undefined, automountServiceAccountToken: false }),
    ],
    violating: [
      [pod({}, { "bay.managed": "true" }), "this is a sandbox"],
      [pod({ serviceAccountName: undefined }), "it mounts the token of the account default"],
    ],
  },
  "labels-present": {
    passing: [
      of("kubernetes:core/v1:Namespace", { metadata: { labels: labelsOf(owner) } }),
      of("docker:index/volume:Volume", { labels: dockerLabels }),
      of("kubernetes:core/v1:ConfigMap", { metadata: {} }),
    ],
    violating: [
      [
        of("kubernetes:core/v1:Namespace", { metadata: { labels: { "bay-e2e.dev/stack": "k3s" } } }),
        "label bay-e2e.dev/owner is missing",
      ],
      [of("docker:index/network:Network", {}), "label bay-e2e.dev/stack is missing"],
    ],
  },
};

test("each rule has cases", () => {
  expect(Object.keys(CASES)).toEqual(RULES.map(({ name }) => name));
});

describe.each(RULES)("the policy $name", ({ name, violations }) => {
  test.each(CASES[name]!.passing.map((resource) => [resource.type, resource] as const))(
    "passes a %s that keeps to it",
    (_, resource) => {
      expect(violations(resource)).toEqual([]);
    },
  );

  test.each(CASES[name]!.violating.map(([resource, wanted]) => [wanted, resource] as const))(
    "tells: %s",
    (wanted, resource) => {
      expect(violations(resource).join("\n")).toContain(wanted);
    },
  );
});

test("the components that need no cluster keep to all policies", async () => {
  const declared: Declared[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        declared.push(of(type, inputs as object));
        return { id: `${name}-id`, state: inputs as Record<string, unknown> };
      },
      call: () => ({}),
    },
    "bay-e2e",
    "k3s",
    false,
  );
  new Namespace("namespace", { name: "ns", labels: labelsOf(owner), annotations: {} });
  new Access("access", { namespace: "ns", serviceAccount: "bay", role: "bay-role", roleBinding: "bay-rolebinding" });
  new Network("network", { namespace: "ns", port: 8114, metricsPort: 9114, profiles: PROFILES });
  new CheckpointRuntime("runtime", { labels: labelsOf(owner), annotations: {} });
  new Bay("bay", {
    name: "bay",
    namespace: "ns",
    image: "docker.io/bay-e2e/bay:0123456789ab",
    pullPolicy: "Never",
    port: 8114,
    serviceAccount: "bay",
    configMap: "bay-config",
    configDigest: "d1",
    apiKey: "",
    readyTimeout: 120,
    pullSecrets: [],
    storageClass: "",
    security: "restricted",
  });
  await pulumi.runtime.disconnect();
  expect(declared.map(({ type }) => type)).toEqual(
    expect.arrayContaining([
      "kubernetes:core/v1:Pod",
      "kubernetes:rbac.authorization.k8s.io/v1:Role",
      "kubernetes:core/v1:Namespace",
    ]),
  );
  const found = declared.flatMap((resource) =>
    RULES.flatMap(({ name, violations }) => violations(resource).map((text) => `${resource.type}: ${name}: ${text}`)),
  );
  expect(found).toEqual([]);
});
