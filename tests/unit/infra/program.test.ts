import * as pulumi from "@pulumi/pulumi";
import { Access, BAY_RULES } from "../../../infra/components/access";
import { Bay } from "../../../infra/components/bay";
import { BayConfig } from "../../../infra/components/bay-config";
import { Namespace } from "../../../infra/components/namespace";
import { Network } from "../../../infra/components/network";
import { PROFILES } from "../../../infra/components/profiles";
import { parse } from "yaml";

interface Declared {
  type: string;
  name: string;
  inputs: Record<string, never>;
}
const declared: Declared[] = [];

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        declared.push({ type: args.type, name: args.name, inputs: args.inputs as Declared["inputs"] });
        return { id: `${args.name}-id`, state: args.inputs as Record<string, unknown> };
      },
      call: () => ({}),
    },
    "bay-e2e",
    "k3s",
    false,
  );
});

beforeEach(() => {
  declared.length = 0;
});

/** What the components declared, once Pulumi has seen all of it. */
async function declaredOf(type: string): Promise<Declared> {
  await pulumi.runtime.disconnect();
  const found = declared.find((entry) => entry.type === type);
  if (!found) throw new Error(`no ${type} among ${declared.map((entry) => entry.type).join(", ")}`);
  return found;
}

const DNS_PODS = {
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
  podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
};

describe("the declared objects", () => {
  test("give Bay its pods, logs and claims, and nothing more", async () => {
    new Access("access", { namespace: "ns", serviceAccount: "bay", role: "bay-role", roleBinding: "bay-rolebinding" });
    const role = await declaredOf("kubernetes:rbac.authorization.k8s.io/v1:Role");
    expect(role.inputs).toMatchObject({
      metadata: { name: "bay-role", namespace: "ns" },
      rules: [
        { apiGroups: [""], resources: ["pods"], verbs: ["create", "delete", "get", "list", "watch"] },
        { apiGroups: [""], resources: ["pods/log"], verbs: ["get"] },
        {
          apiGroups: [""],
          resources: ["persistentvolumeclaims"],
          verbs: ["create", "delete", "get", "list", "patch", "watch"],
        },
      ],
    });
    expect(JSON.stringify(BAY_RULES)).not.toContain("*");
    const binding = await declaredOf("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding");
    expect(binding.inputs).toMatchObject({
      roleRef: { kind: "Role", name: "bay-role" },
      subjects: [{ kind: "ServiceAccount", name: "bay", namespace: "ns" }],
    });
  });

  test("let sandboxes talk to Bay and DNS alone, and out where their profile says so", async () => {
    new Network("network", { namespace: "ns", port: 8114, metricsPort: 9114, profiles: PROFILES });
    await pulumi.runtime.disconnect();
    const policies = Object.fromEntries(
      declared
        .filter(({ type }) => type === "kubernetes:networking.k8s.io/v1:NetworkPolicy")
        .map(({ inputs }) => inputs as unknown as { metadata: { name: string }; spec: object })
        .map(({ metadata, spec }) => [metadata.name, spec]),
    );
    expect(policies).toMatchObject({
      "bay-sandboxes": {
        podSelector: { matchLabels: { "bay.managed": "true" } },
        policyTypes: ["Ingress", "Egress"],
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: "bay" } } }], ports: [{ port: 8123 }, { port: 8124 }] },
        ],
        egress: [
          {
            to: [DNS_PODS],
            ports: [
              { port: 53, protocol: "UDP" },
              { port: 53, protocol: "TCP" },
            ],
          },
        ],
      },
      "bay-sandboxes-internet": {
        podSelector: {
          matchExpressions: [
            { key: "bay.profile_id", operator: "In", values: ["python-default", "two-containers-test"] },
          ],
        },
        policyTypes: ["Egress"],
      },
      bay: {
        podSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["bay", "bay-rehearsal"] }] },
        policyTypes: ["Ingress"],
        ingress: [],
      },
    });
  });

  test("let those pods call Bay, and read its metrics, that are named, and no others", async () => {
    const scraper = {
      namespaceSelector: { matchLabels: { team: "watch" } },
      podSelector: { matchLabels: { app: "scraper" } },
    };
    new Network("network", {
      namespace: "ns",
      clients: [{ pod: { app: "agent" } }, { namespace: {} }],
      metricsClients: [{ namespace: { team: "watch" }, pod: { app: "scraper" } }],
    });
    await pulumi.runtime.disconnect();
    const { inputs } = declared.find(
      ({ inputs: given }) => (given as { metadata?: { name: string } }).metadata?.name === "bay",
    )!;
    expect(inputs["spec"]).toMatchObject({
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: "agent" } } }, { namespaceSelector: { matchLabels: {} } }],
          ports: [{ port: 8114 }],
        },
        { from: [scraper], ports: [{ port: 9114 }] },
      ],
    });
  });

  test("make the namespace by the name that the configuration gives", async () => {
    new Namespace("namespace", { name: "somewhere", labels: { a: "b" }, annotations: {} });
    expect((await declaredOf("kubernetes:core/v1:Namespace")).inputs).toMatchObject({
      metadata: { name: "somewhere", labels: { a: "b" } },
    });
  });

  test("put Bay's configuration into a ConfigMap, without its key", async () => {
    new BayConfig("config", {
      name: "bay-config",
      namespace: "ns",
      port: 8114,
      shipImage: "ship:1",
      pullPolicy: "Never",
      storageClass: "",
      storageSize: "1Gi",
      podStartupTimeout: 120,
      profiles: PROFILES,
      pullSecrets: [],
      nodes: ["one"],
    });
    const { inputs } = await declaredOf("kubernetes:core/v1:ConfigMap");
    const file = parse((inputs as unknown as { data: Record<string, string> }).data["config.yaml"]!) as Record<
      string,
      never
    >;
    expect(file).toMatchObject({
      driver: {
        type: "k8s",
        image_pull_policy: "never",
        k8s: { namespace: "ns", storage_class: null, volume_node: "one" },
      },
      security: { allow_anonymous: false },
    });
    const profiles = file["profiles"] as unknown as { id: string; image?: string; containers?: { image: string }[] }[];
    expect(profiles.map(({ id, image, containers }) => [id, image ?? containers?.map((each) => each.image)])).toEqual(
      PROFILES.map(({ id, containers }) => [id, containers?.map(() => "ship:1") ?? "ship:1"]),
    );
    expect(JSON.stringify(file)).not.toContain("api_key");
  });

  const bayArgs = {
    name: "bay",
    namespace: "ns",
    image: "bay:1",
    pullPolicy: "Never" as const,
    port: 8114,
    serviceAccount: "bay",
    configMap: "bay-config",
    configDigest: "d1",
    apiKey: "",
    readyTimeout: 120,
    pullSecrets: [],
    storageClass: "",
  };

  test("lock Bay's pod down: no root, no capabilities, a read-only file system, limits and probes", async () => {
    new Bay("bay", { ...bayArgs, security: "restricted" });
    const { inputs } = await declaredOf("kubernetes:core/v1:Pod");
    const { spec } = inputs as unknown as { spec: { securityContext: object; containers: Record<string, object>[] } };
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(spec.containers[0]).toMatchObject({
      imagePullPolicy: "Never",
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
      resources: { limits: { cpu: "1", memory: "512Mi" } },
      readinessProbe: { httpGet: { path: "/health", port: 8114 } },
    });
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"])
      expect(spec.containers[0]).toHaveProperty(probe);
  });

  test("keep Bay's records on a volume that outlives its pod", async () => {
    new Bay("bay", { ...bayArgs, security: "restricted", storageClass: "fast" });
    const claim = await declaredOf("kubernetes:core/v1:PersistentVolumeClaim");
    expect(claim.inputs).toMatchObject({
      metadata: { name: "bay-data", namespace: "ns" },
      spec: { accessModes: ["ReadWriteOnce"], storageClassName: "fast" },
    });
    expect(claim.inputs).not.toHaveProperty("metadata.labels");
    const { spec } = (await declaredOf("kubernetes:core/v1:Pod")).inputs as unknown as { spec: { volumes: object[] } };
    expect(spec.volumes).toContainEqual({ name: "data", persistentVolumeClaim: { claimName: "bay-data" } });
  });

  test("leave out the restrictions for an image of Bay that needs root", async () => {
    new Bay("bay", { ...bayArgs, security: "baseline" });
    const { inputs } = await declaredOf("kubernetes:core/v1:Pod");
    expect(JSON.stringify(inputs)).not.toContain("runAsNonRoot");
  });

  test("hand the key to Bay through a Secret, random where none is configured", async () => {
    const random = new Bay("bay", { ...bayArgs, security: "restricted" });
    const { inputs } = await declaredOf("kubernetes:core/v1:Pod");
    expect(JSON.stringify(inputs)).toContain('"secretKeyRef":{"key":"api-key","name":"bay-api-key"}');
    await expect(promised(random.apiKey)).resolves.toMatch(/^sk-bay-[0-9a-f]{64}$/);
    await expect(
      promised(new Bay("bay2", { ...bayArgs, apiKey: "chosen-key", security: "restricted" }).apiKey),
    ).resolves.toBe("chosen-key");
    expect(await pulumi.isSecret(random.apiKey)).toBe(true);
  });

  /** Bay's pod and its Secrets, as they are declared. */
  const bayWith = async (
    more: object,
  ): Promise<{
    pod: { metadata: { annotations: Record<string, string> }; spec: { containers: { env: object[] }[] } };
    secrets: Record<string, Record<string, string>>;
  }> => {
    declared.length = 0;
    new Bay("bay", { ...bayArgs, security: "restricted", ...more });
    await pulumi.runtime.disconnect();
    const of = (type: string) => declared.filter((each) => each.type === type).map(({ inputs }) => inputs as never);
    const secrets = of("kubernetes:core/v1:Secret") as { metadata: { name: string }; data: unknown }[];
    const plain = (data: unknown) => ((data as { value?: object }).value ?? data) as Record<string, string>;
    return {
      pod: of("kubernetes:core/v1:Pod")[0]!,
      secrets: Object.fromEntries(secrets.map(({ metadata, data }) => [metadata.name, plain(data)])),
    };
  };

  test("make the key of the sessions' tokens, in a Secret of its own that a stack from before gets too", async () => {
    const { pod, secrets } = await bayWith({});
    expect(pod.spec.containers[0]!.env).toContainEqual({
      name: "BAY_SESSION_KEY",
      valueFrom: { secretKeyRef: { name: "bay-session-key", key: "session-key" } },
    });
    expect(JSON.stringify(pod.spec.containers[0]!.env)).not.toContain("BAY_ADMIN_KEY");
    expect(Object.keys(secrets).sort()).toEqual(["bay-api-key", "bay-session-key"]);
  });

  test("give Bay an admin key where one is chosen, by a Secret too", async () => {
    const { pod, secrets } = await bayWith({ adminKey: "chosen-admin-key" });
    expect(pod.spec.containers[0]!.env).toContainEqual({
      name: "BAY_ADMIN_KEY",
      valueFrom: { secretKeyRef: { name: "bay-admin-key", key: "admin-key" } },
    });
    expect(Object.keys(secrets)).toContain("bay-admin-key");
    expect(JSON.stringify(pod)).not.toContain("chosen-admin-key");
  });

  test("make a new pod for another key: a container reads its variables once", async () => {
    const digest = async (apiKey: string) => (await bayWith({ apiKey })).pod.metadata.annotations["bay-e2e.dev/keys"];
    const [one, two] = [await digest("first-key"), await digest("second-key")];
    expect(one).toMatch(/^[0-9a-f]{16}$/);
    expect(two).not.toBe(one);
  });
});

function promised<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply((value) => {
      resolve(value);
      return value;
    });
  });
}
