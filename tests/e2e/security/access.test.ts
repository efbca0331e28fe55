import { lacks } from "../../support/lacking";
import { cluster, stack } from "../../support/suite";

const { namespace } = stack;
/** Bay's own service account, as its pod has it. */
let account: string;
beforeAll(async () => {
  account = (await cluster.kube.pod(namespace, stack.pod))?.spec?.serviceAccountName ?? "";
});

const may = (verb: string, resource: string, where: { namespace?: string; group?: string } = {}): Promise<boolean> => {
  const [kind, subresource] = resource.split("/") as [string, string | undefined];
  return cluster.kube.may(
    {
      user: `system:serviceaccount:${namespace}:${account}`,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    },
    { verb, resource: kind, namespace, ...where, ...(subresource === undefined ? {} : { subresource }) },
  );
};

const verbs = (list: string, resource: string): [string, string][] => list.split(" ").map((verb) => [verb, resource]);

describe("Bay's service account @security", () => {
  it("is not the namespace's default account", () => {
    expect(account).toMatch(/\S/);
    expect(account).not.toBe("default");
  });

  it.each([
    ...verbs("create delete get list watch", "pods"),
    ...verbs("get", "pods/log"),
    ...verbs("create delete get list patch watch", "persistentvolumeclaims"),
  ])("may %s %s in its namespace", async (verb, resource) => {
    expect(await may(verb, resource)).toBe(true);
  });

  it.each([
    ...verbs("update patch deletecollection", "pods"),
    ...verbs("update deletecollection", "persistentvolumeclaims"),
    ...verbs("update patch", "persistentvolumeclaims/status"),
    ...verbs("create get", "pods/exec"),
    ...verbs("create get", "pods/attach"),
    ...verbs("create get", "pods/portforward"),
    ...verbs("create", "pods/eviction"),
    ...verbs("update patch", "pods/ephemeralcontainers"),
    ...verbs("get list create", "secrets"),
    ...verbs("get list", "configmaps"),
    ...verbs("get list create", "serviceaccounts"),
    ...verbs("create", "serviceaccounts/token"),
    ...verbs("list create", "services"),
    ...verbs("list", "events"),
    ...verbs("*", "*"),
  ])("may not %s %s in its namespace", async (verb, resource) => {
    expect(await may(verb, resource)).toBe(false);
  });

  it.each([
    ["list", "pods", "kube-system"],
    ["create", "pods", "kube-system"],
    ["get", "secrets", "kube-system"],
    ["create", "pods", "default"],
    ["list", "persistentvolumeclaims", "default"],
  ])("may not %s %s in namespace %s", async (verb, resource, elsewhere) => {
    expect(await may(verb, resource, { namespace: elsewhere })).toBe(false);
  });

  it.each([
    ["get", "nodes", ""],
    ["list", "namespaces", ""],
    ["create", "namespaces", ""],
    ["list", "persistentvolumes", ""],
    ["create", "roles", "rbac.authorization.k8s.io"],
    ["bind", "clusterroles", "rbac.authorization.k8s.io"],
    ["escalate", "clusterroles", "rbac.authorization.k8s.io"],
  ])("may not %s %s of the cluster", async (verb, resource, group) => {
    expect(await may(verb, resource, { namespace: "", group })).toBe(false);
  });
});

describe("the namespace's default service account @security", () => {
  it.each([
    ["list", "pods"],
    ["get", "secrets"],
    ["create", "pods"],
  ])("may not %s %s: sandboxes run under it", async (verb, resource) => {
    const user = `system:serviceaccount:${namespace}:default`;
    expect(
      await cluster.kube.may(
        { user, groups: ["system:serviceaccounts", "system:authenticated"] },
        { verb, resource, namespace },
      ),
    ).toBe(false);
  });
});

describe("the propagator's service account @security", () => {
  const { source, namespace: home, release } = stack.checkpoint;
  const user = `system:serviceaccount:${home}:${release}`;
  const allowed = (verb: string, resource: string, place: string, group = ""): Promise<boolean> => {
    if (source !== "propagator") lacks("a propagator of this repository");
    const [kind, subresource] = resource.split("/") as [string, string | undefined];
    return cluster.kube.may(
      { user, groups: ["system:serviceaccounts", `system:serviceaccounts:${home}`, "system:authenticated"] },
      { verb, resource: kind, namespace: place, group, ...(subresource === undefined ? {} : { subresource }) },
    );
  };

  it.each([...verbs("get list watch create delete", "pods"), ...verbs("list", "events")])(
    "may %s %s in the stack's namespace",
    async (verb, resource) => {
      expect(await allowed(verb, resource, namespace)).toBe(true);
    },
  );

  it("may list the pods of its own namespace, to find its agents, and nothing more there", async () => {
    expect({
      list: await allowed("list", "pods", home),
      create: await allowed("create", "pods", home),
      secrets: await allowed("get", "secrets", home),
    }).toEqual({ list: true, create: false, secrets: false });
  });

  it.each([
    ...verbs("update patch deletecollection", "pods"),
    ...verbs("create get", "pods/exec"),
    ...verbs("create", "pods/eviction"),
    ...verbs("get", "pods/log"),
    ...verbs("get list create", "secrets"),
    ...verbs("get list", "configmaps"),
    ...verbs("list create", "persistentvolumeclaims"),
    ...verbs("create", "serviceaccounts/token"),
    ...verbs("*", "*"),
  ])("may not %s %s in the stack's namespace", async (verb, resource) => {
    expect(await allowed(verb, resource, namespace)).toBe(false);
  });

  it.each(["kube-system", "default", ""])(
    "may do nothing with pods in namespace '%s', of which empty is all",
    async (elsewhere) => {
      for (const verb of ["get", "list", "watch", "create", "delete"])
        expect([verb, await allowed(verb, "pods", elsewhere)]).toEqual([verb, false]);
    },
  );

  it.each([
    ["get", "nodes", ""],
    ["get", "nodes/proxy", ""],
    ["list", "namespaces", ""],
    ["bind", "clusterroles", "rbac.authorization.k8s.io"],
    ["create", "rolebindings", "rbac.authorization.k8s.io"],
  ])("may not %s %s of the cluster", async (verb, resource, group) => {
    expect(await allowed(verb, resource, "", group)).toBe(false);
  });
});
