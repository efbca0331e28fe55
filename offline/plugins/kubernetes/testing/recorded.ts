/**
 * Decisions of the official plugin 4.32.0, recorded on Kubernetes 1.36.3: for a change of inputs the paths of the
 * detailed diff with their kinds, the reasons for a replacement, and whether the old object goes first.
 */
import type { DiffKind } from "../../rpc/requests";
import type { ValueMap } from "../../rpc/values";

export interface RecordedDiff {
  step: string;
  before: ValueMap;
  after: ValueMap;
  /** Path to kind; a deletion is told from the inputs. */
  detailed: Record<string, DiffKind>;
  replaces: string[];
  deleteBeforeReplace: boolean;
}

const object = (apiVersion: string, kind: string, name: string, rest: ValueMap, metadata: ValueMap = {}): ValueMap => ({
  apiVersion,
  kind,
  metadata: { name, namespace: "oracle", ...metadata },
  ...rest,
});

const role = (...verbs: string[]): ValueMap =>
  object("rbac.authorization.k8s.io/v1", "Role", "role", { rules: [{ apiGroups: [""], resources: ["pods"], verbs }] });
const fixed = (k: string): ValueMap => object("v1", "ConfigMap", "cm-fixed", { data: { k } });
const auto = (text: string): ValueMap =>
  object(
    "v1",
    "ConfigMap",
    "cm-auto-f44cac2d",
    { data: { "config.yaml": text } },
    { annotations: { "pulumi.com/autonamed": "true" } },
  );
const secret = (token: string): ValueMap => object("v1", "Secret", "secret", { stringData: { token } });
const claim = (storageClassName: string): ValueMap =>
  object(
    "v1",
    "PersistentVolumeClaim",
    "pvc",
    { spec: { accessModes: ["ReadWriteOnce"], storageClassName, resources: { requests: { storage: "1Mi" } } } },
    { annotations: { "pulumi.com/skipAwait": "true" } },
  );
const service = (port: number): ValueMap =>
  object("v1", "Service", "svc", { spec: { selector: { app: "dep" }, ports: [{ port }] } });
const deployment = (replicas: number): ValueMap =>
  object("apps/v1", "Deployment", "dep", {
    spec: {
      replicas,
      selector: { matchLabels: { app: "dep" } },
      template: {
        metadata: { labels: { app: "dep" } },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "c", image: "demo:py" }] },
      },
    },
  });
const pod = ({
  labels = {},
  image = "demo:py",
  env,
  config = "cm-auto-f44cac2d",
}: { labels?: ValueMap; image?: string; env?: ValueMap[]; config?: string } = {}): ValueMap =>
  object(
    "v1",
    "Pod",
    "pod",
    {
      spec: {
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        containers: [
          { name: "c", image, imagePullPolicy: "Never", command: ["sleep", "100000"], ...(env ? { env } : {}) },
        ],
        volumes: [{ name: "cfg", configMap: { name: config } }],
      },
    },
    { labels: { app: "x", ...labels } },
  );

export const RECORDED: RecordedDiff[] = [
  { step: "nochange: a pod", before: pod(), after: pod(), detailed: {}, replaces: [], deleteBeforeReplace: false },
  {
    step: "nochange: a secret",
    before: secret("planted-1"),
    after: secret("planted-1"),
    detailed: {},
    replaces: [],
    deleteBeforeReplace: false,
  },
  {
    step: "nochange: a service",
    before: service(80),
    after: service(80),
    detailed: {},
    replaces: [],
    deleteBeforeReplace: false,
  },
  {
    step: "role-rules: a verb more",
    before: role("get"),
    after: role("get", "list"),
    detailed: { "rules[0].verbs[1]": "add" },
    replaces: [],
    deleteBeforeReplace: false,
  },
  {
    step: "cm-data: a verb less",
    before: role("get", "list"),
    after: role("get"),
    detailed: { "rules[0].verbs[1]": "delete" },
    replaces: [],
    deleteBeforeReplace: false,
  },
  {
    step: "cm-data: a config map with a fixed name",
    before: fixed("v1"),
    after: fixed("v2"),
    detailed: { "data.k": "update-replace" },
    replaces: ["data.k"],
    deleteBeforeReplace: true,
  },
  {
    step: "cm-data: a config map with a made name",
    before: auto("a: 1"),
    after: auto("b: 2"),
    detailed: { 'data["config.yaml"]': "update-replace" },
    replaces: ['data["config.yaml"]'],
    deleteBeforeReplace: false,
  },
  {
    step: "cm-data: the pod that mounts it",
    before: pod(),
    after: pod({ config: "cm-auto-00cabdca" }),
    detailed: { "spec.volumes[0].configMap.name": "update-replace" },
    replaces: ["spec.volumes[0].configMap.name"],
    deleteBeforeReplace: true,
  },
  {
    step: "secret-data",
    before: secret("planted-1"),
    after: secret("planted-2"),
    detailed: { "data.token": "update-replace" },
    replaces: ["data.token"],
    deleteBeforeReplace: true,
  },
  {
    step: "pod-label",
    before: pod(),
    after: pod({ labels: { v: "2" } }),
    detailed: { "metadata.labels.v": "add" },
    replaces: [],
    deleteBeforeReplace: false,
  },
  {
    step: "pod-image",
    before: pod({ labels: { v: "2" } }),
    after: pod({ image: "demo:1" }),
    detailed: { "metadata.labels.v": "delete", "spec.containers[0].image": "update-replace" },
    replaces: ["spec.containers[0].image"],
    deleteBeforeReplace: true,
  },
  {
    step: "pod-env",
    before: pod({ image: "demo:1" }),
    after: pod({ env: [{ name: "A", value: "1" }] }),
    detailed: { "spec.containers[0].env": "add-replace", "spec.containers[0].image": "update-replace" },
    replaces: ["spec.containers[0].env", "spec.containers[0].image"],
    deleteBeforeReplace: true,
  },
  {
    step: "dep-replicas: the pod's env goes",
    before: pod({ env: [{ name: "A", value: "1" }] }),
    after: pod(),
    detailed: { "spec.containers[0].env": "delete-replace" },
    replaces: ["spec.containers[0].env"],
    deleteBeforeReplace: true,
  },
  {
    step: "dep-replicas",
    before: deployment(1),
    after: deployment(2),
    detailed: { "spec.replicas": "update" },
    replaces: [],
    deleteBeforeReplace: false,
  },
  {
    step: "svc-port",
    before: service(80),
    after: service(81),
    detailed: { "spec.ports[0].port": "update" },
    replaces: [],
    deleteBeforeReplace: false,
  },
  {
    step: "pvc-class",
    before: claim("none"),
    after: claim("other"),
    detailed: { "spec.storageClassName": "update-replace" },
    replaces: ["spec.storageClassName"],
    deleteBeforeReplace: true,
  },
];
