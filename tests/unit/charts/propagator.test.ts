import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { stringify, parseAllDocuments } from "yaml";
import { cacheFolder } from "../../../cli/tools/cache";
import { agentConfig, serverConfig } from "../../../images/propagator/src/config";
import { tryRun } from "../../../infra/support/exec";

const CHART = resolve(__dirname, "../../../charts/propagator");
const TOKEN = "planted-token-0123456789";

/* eslint-disable @typescript-eslint/no-explicit-any -- rendered objects are read freely */
interface Rendered {
  kind: string;
  metadata: { name: string; namespace?: string; labels: Record<string, string>; annotations?: Record<string, string> };
  [key: string]: any;
}

const helm = helmProgram();
// Rendering needs Helm's own engine. `npm run setup` finds or makes one.
(helm === undefined ? describe.skip : describe)(
  `The propagator's chart${helm === undefined ? " (skipped: no helm on PATH or in the cache of npm run setup)" : ""}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-e2e-chart-"));
    afterAll(() => {
      rmSync(folder, { recursive: true });
    });

    const run = async (verb: "template" | "lint", values: object) => {
      const file = join(folder, `values-${Math.random()}.yaml`);
      writeFileSync(file, stringify(values));
      return tryRun(
        [
          helm!,
          ...(verb === "lint" ? ["lint", "--strict", CHART] : ["template", "prop", CHART, "--namespace", "place"]),
          "--values",
          file,
        ],
        { env: { HOME: folder } },
      );
    };
    const render = async (values: object = {}): Promise<Rendered[]> => {
      const { exitCode, stdout, stderr } = await run("template", {
        ...values,
        config: { authToken: TOKEN, ...(values as { config?: object }).config },
      });
      if (exitCode !== 0) throw new Error(stderr);
      return parseAllDocuments(stdout)
        .map((document) => document.toJS() as Rendered | null)
        .filter((object): object is Rendered => object !== null);
    };
    const find = (objects: Rendered[], kind: string, name: string): Rendered => {
      const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
      if (!found) throw new Error(`no ${kind} ${name}`);
      return found;
    };
    const names = (objects: Rendered[]): string[] =>
      objects
        .map(({ kind, metadata }) => `${kind} ${metadata.namespace ? `${metadata.namespace}/` : ""}${metadata.name}`)
        .sort();

    test("passes Helm's lint", async () => {
      expect(await run("lint", { config: { authToken: TOKEN } })).toMatchObject({ exitCode: 0 });
    });

    test("declares these objects, each with the release's labels", async () => {
      const objects = await render({ commonLabels: { owner: "me" } });
      expect(names(objects)).toEqual([
        "ClusterRole place-prop-pods",
        "ConfigMap prop-config",
        "DaemonSet prop-agent",
        "Deployment prop",
        "Job prop-purge",
        "NetworkPolicy prop",
        "NetworkPolicy prop-agent",
        "PersistentVolumeClaim prop-data",
        "Role prop-agents",
        "RoleBinding prop-agents",
        "RuntimeClass bay-e2e-checkpoint",
        "Secret prop-secrets",
        "Service prop",
        "ServiceAccount prop",
      ]);
      for (const { metadata } of objects)
        expect(metadata.labels).toMatchObject({
          "app.kubernetes.io/name": "propagator",
          "app.kubernetes.io/instance": "prop",
          owner: "me",
        });
    });

    test("leaves out what somebody else makes", async () => {
      const objects = await render({
        runtimeClass: { create: false },
        networkPolicy: { enabled: false },
        persistence: { enabled: false },
        purge: { enabled: false },
        rbac: { create: false },
        serviceAccount: { create: false, name: "given" },
        config: { preExistingSecret: "theirs", authToken: "" },
      });
      expect(names(objects)).toEqual([
        "ConfigMap prop-config",
        "DaemonSet prop-agent",
        "Deployment prop",
        "Service prop",
      ]);
      expect(find(objects, "Deployment", "prop").spec.template.spec).toMatchObject({
        serviceAccountName: "given",
        volumes: expect.arrayContaining([{ name: "data", emptyDir: {} }]),
      });
      expect(JSON.stringify(objects)).not.toContain("prop-secrets");
    });

    test("may do nothing but read, make and delete pods, and read events, and that nowhere but in the namespaces named", async () => {
      const rules = [
        { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch", "create", "delete"] },
        { apiGroups: [""], resources: ["events"], verbs: ["list"] },
      ];
      const none = await render();
      expect(find(none, "ClusterRole", "place-prop-pods")["rules"]).toEqual(rules);
      expect(names(none).filter((name) => name.includes("Binding"))).toEqual(["RoleBinding prop-agents"]);
      expect(find(none, "Role", "prop-agents")["rules"]).toEqual([
        { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
      ]);
      const some = await render({ config: { namespaces: ["a", "b"] } });
      expect(names(some).filter((name) => name.includes("Role"))).toEqual([
        "ClusterRole place-prop-pods",
        "Role prop-agents",
        "RoleBinding a/place-prop-pods",
        "RoleBinding b/place-prop-pods",
        "RoleBinding prop-agents",
      ]);
      expect(find(some, "RoleBinding", "place-prop-pods")).toMatchObject({
        roleRef: { kind: "ClusterRole", name: "place-prop-pods" },
        subjects: [{ kind: "ServiceAccount", name: "prop", namespace: "place" }],
      });
      expect(find(some, "ConfigMap", "prop-config")["data"]["PROPAGATOR_NAMESPACES"]).toBe("a,b");
      const all = await render({ config: { allNamespaces: true, namespaces: ["a"] } });
      expect(names(all).filter((name) => name.includes("Binding"))).toEqual([
        "ClusterRoleBinding place-prop-pods",
        "RoleBinding prop-agents",
      ]);
      expect(find(all, "ConfigMap", "prop-config")["data"]["PROPAGATOR_NAMESPACES"]).toBe("");
    });

    test("gives a node no account and not the API's token, and the server no privilege", async () => {
      const objects = await render();
      const agent = find(objects, "DaemonSet", "prop-agent").spec.template.spec;
      expect(agent).toMatchObject({
        automountServiceAccountToken: false,
        hostPID: true,
        containers: [{ securityContext: { privileged: true, runAsUser: 0 } }],
      });
      expect(JSON.stringify(agent)).not.toContain("auth-token");
      const server = find(objects, "Deployment", "prop").spec.template.spec;
      expect(server).toMatchObject({
        securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ["ALL"] },
            },
          },
        ],
      });
      const { stringData } = find(objects, "Secret", "prop-secrets");
      expect(stringData["auth-token"]).toBe(TOKEN);
      // Random, and so nothing that the API's token could give.
      expect(stringData["agent-token"]).toMatch(/^[0-9A-Za-z]{48}$/);
      expect(find(await render(), "Secret", "prop-secrets")["stringData"]["agent-token"]).not.toBe(
        stringData["agent-token"],
      );
      const given = "given-token-0123456789";
      expect(
        find(await render({ config: { agentToken: given } }), "Secret", "prop-secrets")["stringData"]["agent-token"],
      ).toBe(given);
      expect(JSON.stringify(objects.filter(({ kind }) => kind !== "Secret"))).not.toContain(TOKEN);
    });

    test("lets the server alone reach an agent", async () => {
      const { spec } = find(await render(), "NetworkPolicy", "prop-agent");
      expect(spec.ingress[0]).toEqual({
        from: [
          {
            podSelector: {
              matchLabels: {
                "app.kubernetes.io/name": "propagator",
                "app.kubernetes.io/instance": "prop",
                "app.kubernetes.io/component": "server",
              },
            },
          },
        ],
        ports: [{ port: "agent" }],
      });
      expect(spec.ingress.slice(1)).toEqual([]);
      expect(spec.egress).toEqual([]);
    });

    test("lets nobody call the server or read metrics but the purge, and who is named", async () => {
      const closed = find(await render(), "NetworkPolicy", "prop");
      expect(closed.spec).toMatchObject({
        policyTypes: ["Ingress"],
        ingress: [
          {
            from: [{ podSelector: { matchLabels: { "app.kubernetes.io/component": "purge" } } }],
            ports: [{ port: "http" }],
          },
        ],
      });
      expect(closed.spec.ingress).toHaveLength(1);
      const [clients, metricsClients] = [
        [{ podSelector: { matchLabels: { app: "caller" } } }],
        [{ namespaceSelector: { matchLabels: { team: "watch" } } }],
      ];
      const open = await render({ networkPolicy: { clients, metricsClients } });
      expect(find(open, "NetworkPolicy", "prop").spec.ingress.slice(1)).toEqual([
        { from: clients, ports: [{ port: "http" }] },
        { from: metricsClients, ports: [{ port: "metrics" }] },
      ]);
      expect(find(open, "NetworkPolicy", "prop-agent").spec.ingress.slice(1)).toEqual([
        { from: metricsClients, ports: [{ port: "metrics" }] },
      ]);
    });

    test("lets the server find those agents alone that have its token", async () => {
      const agents = async (agentToken: string) => {
        const objects = await render({ config: { agentToken } });
        const { labels } = find(objects, "DaemonSet", "prop-agent").spec.template.metadata as {
          labels: Record<string, string>;
        };
        return {
          selector: find(objects, "ConfigMap", "prop-config")["data"]["PROPAGATOR_AGENT_SELECTOR"] as string,
          generation: labels["propagator.bay-e2e.dev/generation"]!,
        };
      };
      const [one, other] = [await agents("first-token-0123456789"), await agents("second-token-0123456789")];
      expect(one.selector).toContain(`propagator.bay-e2e.dev/generation=${one.generation}`);
      expect(one.generation).not.toBe(other.generation);
      expect(
        find(await render({ config: { preExistingSecret: "theirs", authToken: "" } }), "ConfigMap", "prop-config")[
          "data"
        ]["PROPAGATOR_AGENT_SELECTOR"],
      ).not.toContain("generation");
    });

    test("tells the programs what they understand", async () => {
      const objects = await render({
        config: {
          clusterId: "11111111-2222-4333-8444-555555555555",
          keepPerContainer: 7,
          maxBytesPerNode: 123456789012,
          runcRoots: ["/a", "/b"],
          logLevel: "debug",
        },
      });
      const data = find(objects, "ConfigMap", "prop-config")["data"] as Record<string, string>;
      const secrets = { PROPAGATOR_TOKEN: TOKEN, PROPAGATOR_AGENT_TOKEN: TOKEN };
      expect(serverConfig({ ...data, ...secrets })).toMatchObject({
        PROPAGATOR_CLUSTER_ID: "11111111-2222-4333-8444-555555555555",
        PROPAGATOR_KEEP: 7,
        PROPAGATOR_MAX_BYTES: 123456789012,
        PROPAGATOR_RUNC_ROOTS: ["/a", "/b"],
        PROPAGATOR_LOG_LEVEL: "debug",
        PROPAGATOR_NAMESPACE: "place",
        PROPAGATOR_NAMESPACES: [],
      });
      expect(agentConfig({ ...data, ...secrets }).PROPAGATOR_STORE).toBeUndefined();
      const unknown = Object.keys(data).filter(
        (name) =>
          name.startsWith("PROPAGATOR_") &&
          !Object.hasOwn(
            {
              ...serverConfig({ ...data, ...secrets }),
              ...agentConfig({ ...data, ...secrets, PROPAGATOR_STORE: "/x" }),
            },
            name,
          ),
      );
      expect(unknown).toEqual([]);
      const labels = find(objects, "DaemonSet", "prop-agent").spec.template.metadata.labels as Record<string, string>;
      for (const pair of data["PROPAGATOR_AGENT_SELECTOR"]!.split(","))
        expect(labels[pair.split("=")[0]!]).toBe(pair.split("=")[1]);
      expect([data["cluster-id"], data["url"]]).toEqual([
        "11111111-2222-4333-8444-555555555555",
        "http://prop.place.svc:1324/v1",
      ]);
    });

    test.each([
      [{ repository: "r/p", tag: "1" }, "r/p:1"],
      [{ repository: "r/p", tag: "1", digest: `sha256:${"a".repeat(64)}` }, `r/p@sha256:${"a".repeat(64)}`],
      [{ repository: "r/p" }, "r/p:0.1.0"],
    ])("runs the image of %j everywhere", async (image, expected) => {
      const objects = await render({ image });
      const images = objects
        .flatMap((object) => (object["spec"]?.template?.spec?.containers ?? []) as { image: string }[])
        .map((container) => container.image);
      expect(images).toEqual([expected, expected, expected]);
    });

    test("rolls its pods when the configuration changes, and only then", async () => {
      const sums = async (values: object) =>
        (await render(values)).flatMap(
          (object) => object["spec"]?.template?.metadata?.annotations?.["checksum/config"] ?? [],
        ) as string[];
      const agentToken = "agent-token-0123456789";
      const before = await sums({ config: { agentToken } });
      expect(before).toHaveLength(2);
      expect(await sums({ config: { agentToken } })).toEqual(before);
      expect(await sums({ config: { agentToken, keepPerContainer: 9 } })).not.toEqual(before);
      expect(await sums({ config: { agentToken: "other-token-0123456789" } })).not.toEqual(before);
    });

    test("removes archives before an uninstall, by a hook that leaves nothing behind", async () => {
      const { metadata, spec } = find(await render(), "Job", "prop-purge");
      expect(metadata.annotations).toEqual({
        "helm.sh/hook": "pre-delete",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
      });
      expect(spec).toMatchObject({
        backoffLimit: 0,
        activeDeadlineSeconds: 60,
        template: {
          spec: { restartPolicy: "Never", automountServiceAccountToken: false, containers: [{ args: ["purge"] }] },
        },
      });
    });

    test.each<[string, object, RegExp]>([
      ["no token", { config: { authToken: "" } }, /16 characters/],
      ["a short token", { config: { authToken: "short" } }, /16 characters/],
      ["a short token of the agents", { config: { agentToken: "short" } }, /agentToken/],
      ["the API's token for the agents", { config: { agentToken: TOKEN } }, /agentToken/],
      ["a peer that is everybody", { networkPolicy: { clients: [{}] } }, /clients/],
      ["an unknown value", { confg: {} }, /confg/],
      ["an unknown value within", { config: { authtoken: "x" } }, /authtoken/],
      ["a cluster id that is none", { config: { clusterId: "mine" } }, /clusterId/],
      ["an unknown log level", { config: { logLevel: "loud" } }, /logLevel/],
      ["a count of nothing", { config: { keepPerContainer: 0 } }, /keepPerContainer/],
      ["a digest that is none", { image: { digest: "latest" } }, /digest/],
      ["an account that is not named", { serviceAccount: { create: false } }, /serviceAccount\.name/],
    ])("refuses %s", async (_what, values, message) => {
      await expect(render(values)).rejects.toThrow(message);
    });
  },
);

function helmProgram(): string | undefined {
  const cached = existsSync(cacheFolder())
    ? readdirSync(cacheFolder())
        .filter((name) => name.startsWith("helm-"))
        .map((name) => join(cacheFolder(), name))
    : [];
  return [...(process.env["PATH"] ?? "").split(delimiter), ...cached]
    .map((place) => join(place, "helm"))
    .find((program) => existsSync(program));
}
