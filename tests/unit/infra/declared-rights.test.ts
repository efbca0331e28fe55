import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { PROPAGATOR_RULES, type Right, rightsNeeded } from "../../../infra/backends/rights";
import { Access } from "../../../infra/components/access";
import { Bay } from "../../../infra/components/bay";
import { BayConfig } from "../../../infra/components/bay-config";
import { Guard } from "../../../infra/components/guard";
import { Namespace } from "../../../infra/components/namespace";
import { Network } from "../../../infra/components/network";
import { PROFILES } from "../../../infra/components/profiles";
import { PullSecret } from "../../../infra/components/registry";
import { readConfig } from "../../../infra/config";
import { quotaOf } from "../../../infra/quota";

const ROOT = join(__dirname, "../../..");
const CHART = join(ROOT, "charts/propagator/templates");
/** How the API names the kinds that do not get a mere `s`. */
const PLURALS: Readonly<Record<string, string>> = { NetworkPolicy: "networkpolicies", RuntimeClass: "runtimeclasses" };
const CLUSTER_WIDE = new Set(["namespaces", "clusterroles", "clusterrolebindings", "runtimeclasses"]);

const declared = new Set<string>();

beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        if (type.startsWith("kubernetes:")) declared.add(type);
        return { id: `${name}-id`, state: inputs as Record<string, unknown> };
      },
      call: () => ({}),
    },
    "bay-e2e",
    "existing",
    false,
  );
});

const settings = (more: Record<string, string> = {}) => readConfig({ namespace: "ns", ...more }, "existing");
const preview = settings({ preview: JSON.stringify({ name: "p", owner: "o" }) });

/** `group resource` of a Pulumi type such as `kubernetes:networking.k8s.io/v1:NetworkPolicy`. */
function resourceOf(type: string): { group: string; resource: string } {
  const [, version = "", kind = ""] = type.split(":");
  const group = version.includes("/") ? version.split("/")[0]! : "";
  return { group: group === "core" ? "" : group, resource: PLURALS[kind] ?? `${kind.toLowerCase()}s` };
}

/** Verbs that a kind lacks for being made, read, changed and removed again. */
function lacking(
  rights: readonly Right[],
  { group, resource }: { group: string; resource: string },
  namespace: string,
  verbs = ["create", "delete", "get", "patch"],
): string[] {
  const place = CLUSTER_WIDE.has(resource) ? undefined : namespace;
  return verbs
    .filter(
      (verb) =>
        !rights.some(
          (right) =>
            right.verb === verb && right.group === group && right.resource === resource && right.namespace === place,
        ),
    )
    .map((verb) => `${verb} ${resource}.${group} in ${place ?? "the cluster"}`);
}

describe("infra/backends/rights.ts", () => {
  test("has each kind of object that the program declares", async () => {
    new Namespace("namespace", { name: "ns", labels: {}, annotations: {} });
    new Access("access", { namespace: "ns" });
    new PullSecret("pull", { namespace: "ns", registry: { host: "h", username: "u", password: "p" } as never });
    new BayConfig("config", {
      name: "c",
      namespace: "ns",
      port: 1,
      shipImage: "s",
      pullPolicy: "Never",
      storageClass: "",
      storageSize: "1Gi",
      podStartupTimeout: 1,
      profiles: PROFILES,
      pullSecrets: [],
      nodes: ["n"],
    });
    new Network("network", { namespace: "ns", port: 1, metricsPort: 2, profiles: PROFILES });
    new Bay("bay", {
      name: "bay",
      namespace: "ns",
      image: "b",
      pullPolicy: "Never",
      port: 1,
      serviceAccount: "bay",
      configMap: "c",
      configDigest: "d",
      apiKey: "",
      readyTimeout: 1,
      pullSecrets: [],
      storageClass: "",
      security: "restricted",
    });
    new Guard("guard", {
      namespace: "ns",
      quota: quotaOf({}),
      profiles: PROFILES,
      apiServer: { addresses: ["10.0.0.1"], ports: [443] },
    });
    await pulumi.runtime.disconnect();
    expect([...declared].map((type) => type.split(":")[2])).toEqual(
      expect.arrayContaining([
        "Namespace",
        "Role",
        "RoleBinding",
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "NetworkPolicy",
        "Pod",
        "PersistentVolumeClaim",
        "ResourceQuota",
        "LimitRange",
      ]),
    );
    const rights = rightsNeeded(preview, false);
    expect([...declared].flatMap((type) => lacking(rights, resourceOf(type), "ns"))).toEqual([]);
  });

  test("has no component left out: a kind that infra/components names is one that was declared here, or a release", () => {
    const named = readdirSync(join(ROOT, "infra/components"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) =>
        [
          ...readFileSync(join(ROOT, "infra/components", file), "utf8").matchAll(
            /(?:new |declare\(\s*)k8s\.(\w+)\.(v\w+)\.(\w+)/g,
          ),
        ].map(([, group, , kind]) => ({ group: group!, kind: kind! })),
      );
    const made = new Set([...declared].map((type) => type.split(":")[2]));
    // A stack's own cluster alone gets the RuntimeClass; the release is the test below.
    expect(named.filter(({ group, kind }) => group !== "helm" && kind !== "RuntimeClass" && !made.has(kind))).toEqual(
      [],
    );
    expect(named.length).toBeGreaterThan(8);
  });

  test("has each kind of the propagator's chart, and all that its roles give", () => {
    const files = readdirSync(CHART)
      .filter((file) => file.endsWith(".yaml"))
      .map((file) => readFileSync(join(CHART, file), "utf8"));
    const kinds = files.flatMap((text) =>
      [...text.matchAll(/^apiVersion: (\S+)\nkind: (\w+)/gm)].map(([, version, kind]) =>
        resourceOf(`kubernetes:${version!}:${kind!}`),
      ),
    );
    expect(kinds.length).toBeGreaterThan(13);
    const rights = rightsNeeded(settings(), true);
    expect(kinds.flatMap((kind) => lacking(rights, kind, "ns-checkpoint"))).toEqual([]);
    expect(
      lacking(rights, { group: "rbac.authorization.k8s.io", resource: "rolebindings" }, "ns", [
        "create",
        "delete",
        "get",
        "patch",
        "update",
      ]),
    ).toEqual([]);
    const [, rules] = /define "propagator\.rules" -}}\n([\s\S]*?)\{\{- end/.exec(
      readFileSync(join(CHART, "_helpers.tpl"), "utf8"),
    )!;
    expect(
      PROPAGATOR_RULES.map(({ resource, verbs }) => ({ apiGroups: [""], resources: [resource], verbs: [...verbs] })),
    ).toEqual(parse(rules!));
    for (const { resource, verbs } of PROPAGATOR_RULES)
      for (const verb of verbs) expect(rights).toContainEqual({ verb, group: "", resource, given: true });
  });

  test("asks for what a ClusterRole gives only where the chart makes one", () => {
    const clusterWide = (more: Record<string, string>) =>
      rightsNeeded(settings(more), true).some(
        ({ resource, namespace }) => resource === "pods" && namespace === undefined,
      );
    expect([clusterWide({}), clusterWide({ checkpointValues: '{"rbac":{"create":false}}' })]).toEqual([true, false]);
  });

  test("has what the program reads to guard a preview", () => {
    const rights = rightsNeeded(preview, false);
    expect(rights).toContainEqual({ verb: "get", group: "", resource: "services", namespace: "default" });
    expect(rights).toContainEqual({
      verb: "list",
      group: "discovery.k8s.io",
      resource: "endpointslices",
      namespace: "default",
    });
    expect(rightsNeeded(settings(), false).some(({ namespace }) => namespace === "default")).toBe(false);
  });
});
