import { missingRights, requireRights, type Right, rightsFor, rightsNeeded } from "../../../infra/backends/rights";
import { BAY_RULES } from "../../../infra/components/access";
import { readConfig } from "../../../infra/config";
import { type KubeApi, KubeRefusal } from "../../../infra/support/kube-api";

interface Rule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
}

/** An API server whose user has these rules in every namespace, and what an authorizer allows that lists no rules. */
function server(rules: Rule[], allowed: (path: string) => boolean = () => false): { api: KubeApi; asked: string[] } {
  const asked: string[] = [];
  const create = (path: string, object: object): Promise<unknown> => {
    if (path.endsWith("selfsubjectrulesreviews")) return Promise.resolve({ status: { resourceRules: rules } });
    const { verb, resource, subresource, namespace } = (
      object as { spec: { resourceAttributes: Record<string, string> } }
    ).spec.resourceAttributes;
    const line = `${verb!} ${resource!}${subresource ? `/${subresource}` : ""}${namespace ? ` in ${namespace}` : ""}`;
    asked.push(line);
    return Promise.resolve({ status: { allowed: allowed(line) } });
  };
  return {
    asked,
    api: {
      server: "https://h",
      create,
      get: () => Promise.reject(new Error("not asked")),
      remove: () => Promise.resolve(),
      close: () => undefined,
    } as unknown as KubeApi,
  };
}
const who = { user: "me", kubectl: "kubectl --context c" };
const needed: Right[] = [
  { verb: "create", group: "", resource: "namespaces" },
  { verb: "get", group: "", resource: "pods/log", namespace: "bay" },
  { verb: "patch", group: "", resource: "secrets", namespace: "bay" },
];

describe("the rights of a kubeconfig's user", () => {
  test("are all named at once where they are missing, with the command that asks for the first", async () => {
    const { api } = server([{ verbs: ["get"], apiGroups: [""], resources: ["pods/log"] }]);
    await expect(requireRights(api, needed, who)).rejects.toMatchObject({
      code: "E_RIGHTS",
      seen: expect.stringMatching(/^user "me" may not:\n +- create namespaces\n +- patch secrets in namespace bay$/),
      next: "kubectl --context c auth can-i create namespaces",
    });
  });

  test("are there for who may do everything, and for whom an authorizer without rules allows them", async () => {
    await expect(
      missingRights(server([{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }], () => true).api, needed),
    ).resolves.toEqual([]);
    await expect(missingRights(server([], () => true).api, needed)).resolves.toEqual([]);
  });

  test("on one object alone are not those on all, and a namespace's do not hold for what has none", async () => {
    const narrow = server([
      { verbs: ["*"], apiGroups: [""], resources: ["secrets"], resourceNames: ["mine"] },
      { verbs: ["*"], apiGroups: [""], resources: ["namespaces", "pods/log"] },
    ]);
    await expect(missingRights(narrow.api, needed)).resolves.toEqual([needed[0], needed[2]]);
    expect(narrow.asked).toEqual(["create namespaces", "patch secrets in bay"]);
  });

  test("cannot be told of credentials that the server does not accept", async () => {
    const { api } = server([]);
    api.create = () => Promise.reject(new KubeRefusal(401, "/apis", "/apis answered 401: Unauthorized"));
    await expect(requireRights(api, needed, who)).rejects.toMatchObject({
      code: "E_RIGHTS",
      seen: expect.stringContaining('does not accept user "me": /apis answered 401'),
      next: "kubectl --context c auth whoami",
    });
  });

  test("that a ClusterRole gives on are not needed by who may escalate and bind", async () => {
    const given: Right[] = [
      { verb: "list", group: "", resource: "events", given: true },
      { verb: "create", group: "", resource: "namespaces" },
    ];
    await expect(
      missingRights(server([], (line) => /^(escalate|bind) clusterroles$/.test(line)).api, given),
    ).resolves.toEqual([given[1]]);
    await expect(missingRights(server([], (line) => line === "escalate clusterroles").api, given)).resolves.toEqual(
      given,
    );
  });

  test("hold all that Bay's own Role gives, for nobody may give what they do not have", () => {
    const settings = readConfig({ namespace: "bay" }, "existing");
    const lines = rightsNeeded(settings, false).map(({ verb, group, resource, namespace = "" }) =>
      [verb, group, resource, namespace].join(" "),
    );
    expect(lines).toEqual(
      expect.arrayContaining(
        BAY_RULES.flatMap(({ verbs, resources }) =>
          resources.flatMap((resource) => verbs.map((verb) => `${verb}  ${resource} bay`)),
        ),
      ),
    );
    expect(new Set(lines).size).toBe(lines.length);
    expect(lines).not.toEqual(expect.arrayContaining([expect.stringContaining("resourcequotas")]));
  });

  test.each([
    [{ checkpoint: "false" }, true, false],
    [{ checkpoint: "true" }, false, true],
    [{}, true, true],
    [{}, false, false],
  ])(
    "with %j on nodes with the runtime (%s) hold those of the propagator's release: %s",
    async (config, able, expected) => {
      const { api } = server([]);
      api.get = (() =>
        Promise.resolve({
          items: [{ metadata: { name: "n" }, status: { runtimeHandlers: able ? [{ name: "checkpoint" }] : [] } }],
        })) as unknown as KubeApi["get"];
      const needed = await rightsFor(
        api,
        readConfig({ namespace: "bay", ...config } as Record<string, string>, "existing"),
      );
      expect(
        needed.some(({ resource, namespace }) => resource === "daemonsets" && namespace === "bay-checkpoint"),
      ).toBe(expected);
    },
  );
});
