import { Secret, UNKNOWN, unwrap, type ValueMap } from "../rpc/values";
import { at, listAt, nameOf, textAt } from "./objects";
import { describeWithCluster, TestCluster, uidOf } from "./testing/cluster";
import { CallError, TestEngine } from "./testing/engine";

jest.setTimeout(120_000);

const CORE = "kubernetes:core/v1";
const failureOf = (promise: Promise<unknown>): Promise<CallError> =>
  promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as CallError,
  );

describeWithCluster("on a real cluster", () => {
  let cluster: TestCluster;
  let engine: TestEngine;
  let image: string;
  const live = (name: string): ValueMap => unwrap(engine.state.get(name)?.outputs) as ValueMap;
  const object = (kind: string, name: string, rest: ValueMap = {}, metadata: ValueMap = {}): ValueMap => ({
    apiVersion: "v1",
    kind,
    metadata: { name, namespace: cluster.namespace, ...metadata },
    ...rest,
  });
  const pod = (name: string, container: ValueMap = {}, labels: ValueMap = { app: name }): ValueMap =>
    object(
      "Pod",
      name,
      {
        spec: {
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          containers: [{ name: "c", image, imagePullPolicy: "Never", ...container }],
        },
      },
      { labels },
    );
  const workload = (kind: string, name: string, spec: ValueMap = {}, container: ValueMap = {}): ValueMap => ({
    ...object(kind, name, {
      spec: {
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: { app: name } }, spec: at(pod(name, container), "spec") },
        ...spec,
      },
    }),
    apiVersion: "apps/v1",
  });

  beforeAll(async () => {
    cluster = new TestCluster();
    image = await cluster.image();
    engine = await TestEngine.start({ kubeconfig: new Secret(cluster.kubeconfig), clusterIdentifier: "test" });
  });
  afterAll(async () => {
    await cluster.close();
    await engine.stop();
  });

  describe("a namespace", () => {
    it("that is still to come does not stop the preview of what lives in it", async () => {
      const inputs = object("ConfigMap", "early", { data: { k: "v" } });
      expect(await engine.preview("early", `${CORE}:ConfigMap`, inputs)).toMatchObject({ data: { k: "v" } });
    });

    it("is made, under its own name as id", async () => {
      expect(
        await engine.up("ns", `${CORE}:Namespace`, {
          apiVersion: "v1",
          kind: "Namespace",
          metadata: { name: cluster.namespace },
        }),
      ).toBe("create");
      expect(engine.state.get("ns")?.id).toBe(cluster.namespace);
    });
  });

  describe("access rules", () => {
    const role = (...verbs: string[]): ValueMap => ({
      ...object("Role", "role", { rules: [{ apiGroups: [""], resources: ["pods"], verbs }] }),
      apiVersion: "rbac.authorization.k8s.io/v1",
    });
    const type = "kubernetes:rbac.authorization.k8s.io/v1:Role";

    it("are made once and then left alone", async () => {
      expect(await engine.up("sa", `${CORE}:ServiceAccount`, object("ServiceAccount", "sa"))).toBe("create");
      expect(await engine.up("role", type, role("get"))).toBe("create");
      expect(await engine.up("role", type, role("get"))).toBe("same");
    });

    it("change in place, and what was taken away is gone", async () => {
      const before = uidOf(live("role"));
      expect(await engine.up("role", type, role("get", "list"))).toBe("update");
      expect(await engine.up("role", type, role("list"))).toBe("update");
      expect(at(live("role"), "rules", 0, "verbs")).toEqual(["list"]);
      expect(uidOf(live("role"))).toBe(before);
    });

    it("belong to the resource's own field manager from the first update on", () => {
      const managers = listAt(live("role"), "metadata", "managedFields").map(
        (entry) => `${textAt(entry, "manager")} ${textAt(entry, "operation")}`,
      );
      expect(managers).toEqual([`${textAt(live("role"), "__fieldManager")} Apply`]);
    });

    it("name another role only by a new binding", async () => {
      const binding = (name: string): ValueMap => ({
        ...object("RoleBinding", "rb", {
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
          subjects: [{ kind: "ServiceAccount", name: "sa", namespace: cluster.namespace }],
        }),
        apiVersion: "rbac.authorization.k8s.io/v1",
      });
      expect(await engine.up("rb", "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", binding("role"))).toBe(
        "create",
      );
      expect(await engine.up("rb", "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", binding("other"))).toBe(
        "delete-replace",
      );
    });
  });

  describe("config maps and secrets", () => {
    it("with made names are replaced by ones with new names, the old one going last", async () => {
      const inputs = (text: string): ValueMap => ({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { namespace: cluster.namespace },
        data: { "config.yaml": text },
      });
      expect(await engine.up("auto", `${CORE}:ConfigMap`, inputs("a: 1"))).toBe("create");
      const name = nameOf(live("auto"));
      expect(name).toMatch(/^auto-[0-9a-f]{8}$/);
      expect(await engine.up("auto", `${CORE}:ConfigMap`, inputs("a: 1"))).toBe("same");
      expect(await engine.up("auto", `${CORE}:ConfigMap`, inputs("b: 2"))).toBe("replace");
      expect(nameOf(live("auto"))).not.toBe(name);
      await expect(cluster.get(object("ConfigMap", name))).rejects.toMatchObject({ code: 404 });
    });

    it("with fixed names are deleted first", async () => {
      expect(await engine.up("fixed", `${CORE}:ConfigMap`, object("ConfigMap", "fixed", { data: { k: "1" } }))).toBe(
        "create",
      );
      expect(
        await engine.preview("fixed", `${CORE}:ConfigMap`, object("ConfigMap", "fixed", { data: { k: "1" } })),
      ).toMatchObject({ data: { k: "1" } });
      expect(await engine.up("fixed", `${CORE}:ConfigMap`, object("ConfigMap", "fixed", { data: { k: "2" } }))).toBe(
        "delete-replace",
      );
    });

    it("keep what is secret secret", async () => {
      const inputs = object("Secret", "secret", { stringData: new Secret({ token: "planted" }) });
      expect(await engine.up("secret", `${CORE}:Secret`, inputs)).toBe("create");
      const { outputs } = engine.state.get("secret")!;
      expect(outputs.data).toEqual(new Secret({ token: Buffer.from("planted").toString("base64") }));
      expect(at(outputs.__inputs, "data")).toEqual(outputs.data);
      expect(await engine.up("secret", `${CORE}:Secret`, inputs)).toBe("same");
    });

    it("that exist and are not ours are refused with ways out", async () => {
      await cluster.create(object("ConfigMap", "foreign", { data: { whose: "theirs" } }));
      const inputs = object("ConfigMap", "foreign", { data: { whose: "mine" } });
      const { message } = await failureOf(engine.up("foreign", `${CORE}:ConfigMap`, inputs));
      expect(message).toMatch(/configmaps "foreign" already exists/);
      expect(message).toMatch(/alias[\s\S]*Patch[\s\S]*pulumi import[\s\S]*pulumi.com\/patchForce/);
      expect(engine.state.has("foreign")).toBe(false);
    });

    it("are taken over where the program says so", async () => {
      const inputs = object(
        "ConfigMap",
        "foreign",
        { data: { whose: "mine" } },
        { annotations: { "pulumi.com/patchForce": "true" } },
      );
      expect(await engine.up("foreign", `${CORE}:ConfigMap`, inputs)).toBe("create");
      expect(live("foreign").data).toEqual({ whose: "mine" });
    });

    it("with a field that the server does not know bring its warning", async () => {
      await engine.up("odd", `${CORE}:ConfigMap`, object("ConfigMap", "odd", { dta: { k: "v" } }));
      expect(engine.messages).toMatch(/unknown field "dta"/);
    });

    it("can be imported, without what only the cluster sets", async () => {
      await cluster.create(object("ConfigMap", "old", { data: { k: "v" } }));
      const read = await engine.read("old", `${CORE}:ConfigMap`, `${cluster.namespace}/old`);
      expect(read?.inputs).toEqual(object("ConfigMap", "old", { data: { k: "v" } }));
    });
  });

  describe("a pod", () => {
    const type = `${CORE}:Pod`;
    it("is waited for until it is ready", async () => {
      expect(await engine.up("pod", type, pod("pod"))).toBe("create");
      expect(
        listAt(live("pod"), "status", "conditions").find((entry) => textAt(entry, "type") === "Ready"),
      ).toMatchObject({ status: "True" });
      expect(await engine.up("pod", type, pod("pod"))).toBe("same");
    });

    it("gets its labels in place", async () => {
      const before = uidOf(live("pod"));
      expect(await engine.up("pod", type, pod("pod", {}, { app: "pod", v: "2" }))).toBe("update");
      expect(uidOf(live("pod"))).toBe(before);
    });

    it("is replaced for its environment", async () => {
      const before = uidOf(live("pod"));
      expect(await engine.up("pod", type, pod("pod", { env: [{ name: "A", value: "1" }] }))).toBe("delete-replace");
      expect(uidOf(live("pod"))).not.toBe(before);
    });

    it("is previewed by the server, which knows the defaults", async () => {
      expect(await engine.preview("other", type, pod("other"))).toMatchObject({ spec: { dnsPolicy: "ClusterFirst" } });
      await expect(cluster.get(pod("other"))).rejects.toMatchObject({ code: 404 });
    });

    it("is previewed with what is not known yet", async () => {
      expect(await engine.preview("later", type, pod("later", { image: UNKNOWN }))).toMatchObject({
        spec: { containers: [{ image: UNKNOWN }] },
      });
    });

    it("with a bad specification is refused by the preview already, with the field", async () => {
      const { message } = await failureOf(engine.preview("badspec", type, pod("badspec", { name: "C_" })));
      expect(message).toMatch(/Pod "badspec" is invalid: spec.containers\[0\].name: Invalid value: "C_"/);
    });

    it("that was deleted by hand is noticed", async () => {
      await cluster.delete(pod("pod"));
      expect(await engine.refresh("pod")).toBe(false);
      expect(await engine.up("pod", type, pod("pod"))).toBe("create");
    });

    it("without its image fails at once with the reason, is kept, and is waited for again", async () => {
      const bad = pod("bad", { image: "docker.io/library/absent:1" });
      const first = await failureOf(engine.up("bad", type, bad));
      expect(first.failure?.id).toBe(`${cluster.namespace}/bad`);
      expect(first.failure?.reasons.join("\n")).toMatch(
        /cannot become Ready[\s\S]*\[c\]\[ErrImageNeverPull\] Container image "docker.io\/library\/absent:1"/,
      );
      expect(uidOf(first.failure?.properties)).not.toBe("");
      expect((await failureOf(engine.up("bad", type, bad))).message).toMatch(
        /failed to fully initialize or become live/,
      );
      expect(await engine.up("bad", type, pod("bad"))).toBe("delete-replace");
    });

    it("whose container cannot run fails with the reason", async () => {
      const { failure } = await failureOf(engine.up("crash", type, pod("crash", { command: ["/absent"] })));
      expect(failure?.reasons.join("\n")).toMatch(/\/absent/);
    });

    it("that no node takes fails at its deadline with the scheduler's reason", async () => {
      const nowhere = pod("nowhere");
      const { failure } = await failureOf(
        engine.up(
          "nowhere",
          type,
          { ...nowhere, spec: { ...(nowhere.spec as ValueMap), nodeSelector: { no: "where" } } },
          2,
        ),
      );
      expect(failure?.reasons).toEqual([
        expect.stringContaining("'nowhere' timed out waiting to be Ready"),
        expect.stringContaining("Unschedulable"),
      ]);
    });

    it("is not waited for where the program says so", async () => {
      const skipped = pod("skipped", { image: "docker.io/library/absent:1" });
      expect(
        await engine.up("skipped", type, {
          ...skipped,
          metadata: { ...(skipped.metadata as ValueMap), annotations: { "pulumi.com/skipAwait": "true" } },
        }),
      ).toBe("create");
    });
  });

  describe("workloads", () => {
    it("are ready when their pods are, and a service when it has one of them", async () => {
      const type = "kubernetes:apps/v1";
      const started = [
        engine.up("dep", `${type}:Deployment`, workload("Deployment", "dep", { replicas: 1 })),
        engine.up("ds", `${type}:DaemonSet`, workload("DaemonSet", "ds")),
        engine.up("sts", `${type}:StatefulSet`, workload("StatefulSet", "sts", { serviceName: "svc" })),
        engine.up(
          "svc",
          `${CORE}:Service`,
          object("Service", "svc", { spec: { selector: { app: "dep" }, ports: [{ port: 80 }] } }),
        ),
      ];
      expect(await Promise.all(started)).toEqual(["create", "create", "create", "create"]);
      expect(at(live("dep"), "status", "availableReplicas")).toBe(1);
      expect(at(live("sts"), "status", "readyReplicas")).toBe(1);
    });

    it("with a pod that cannot start fail with the pod's reason", async () => {
      const { failure } = await failureOf(
        engine.up(
          "baddep",
          "kubernetes:apps/v1:Deployment",
          workload("Deployment", "baddep", {}, { image: "docker.io/library/absent:1" }),
        ),
      );
      expect(failure?.reasons.join("\n")).toMatch(/ErrImageNeverPull/);
    });

    it("that were scaled by hand are a conflict that names who did it", async () => {
      await cluster.patch(live("dep"), { spec: { replicas: 2 } }, { subresource: "/scale", fieldManager: "kubectl" });
      await cluster.until(live("dep"), (seen) => at(seen, "status", "availableReplicas") === 2);
      await engine
        .up("dep", "kubernetes:apps/v1:Deployment", workload("Deployment", "dep", { replicas: 1, minReadySeconds: 0 }))
        .catch(() => undefined);
      expect(await engine.refresh("dep")).toBe(true);
      expect(at(engine.state.get("dep")?.inputs, "spec", "replicas")).toBe(2);
      const { message } = await failureOf(
        engine.up("dep", "kubernetes:apps/v1:Deployment", workload("Deployment", "dep", { replicas: 1 })),
      );
      expect(message).toMatch(
        /field conflict[\s\S]*conflict with "kubectl" with subresource "scale" using apps\/v1: .spec.replicas/,
      );
    });

    it("a claim that waits for its first consumer does not block", async () => {
      const claim = object("PersistentVolumeClaim", "claim", {
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
      });
      expect(await engine.up("claim", `${CORE}:PersistentVolumeClaim`, claim)).toBe("create");
      expect(await engine.up("claim", `${CORE}:PersistentVolumeClaim`, claim)).toBe("same");
    });
  });

  describe("custom resources", () => {
    const group = (): string => `${cluster.namespace}.example.com`;
    it("work as soon as their definition is established", async () => {
      const definition: ValueMap = {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: `things.${group()}` },
        spec: {
          group: group(),
          scope: "Namespaced",
          names: { plural: "things", singular: "thing", kind: "Thing" },
          versions: [
            {
              name: "v1",
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { type: "object", x_kubernetes_preserve_unknown_fields: true } },
            },
          ],
        },
      };
      const thing: ValueMap = {
        apiVersion: `${group()}/v1`,
        kind: "Thing",
        metadata: {
          name: "t",
          namespace: cluster.namespace,
          annotations: { "pulumi.com/deletionPropagationPolicy": "background" },
        },
        spec: { a: 1 },
      };
      expect(await engine.up("crd", "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", definition)).toBe(
        "create",
      );
      expect(await engine.up("crd", "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", definition)).toBe(
        "same",
      );
      expect(await engine.up("thing", `kubernetes:${group()}/v1:Thing`, thing)).toBe("create");
      expect(await engine.up("thing", `kubernetes:${group()}/v1:Thing`, { ...thing, spec: { a: 2 } })).toBe("update");
      await engine.remove("thing");
      await engine.remove("crd");
    });

    it("what the registry-only plugin has not is refused by name", async () => {
      await expect(engine.up("r", "kubernetes:yaml/v2:ConfigFile", {})).rejects.toThrow(
        /"kubernetes:yaml\/v2:ConfigFile" is not implemented by the registry-only plugin/,
      );
      await expect(engine.invoke("kubernetes:yaml:decode")).rejects.toThrow(
        /"kubernetes:yaml:decode" is not implemented by the registry-only plugin/,
      );
    });
  });

  describe("deleting", () => {
    it("waits until the object is gone and does not mind one that is gone already", async () => {
      await engine.remove("pod");
      await expect(cluster.get(pod("pod"))).rejects.toMatchObject({ code: 404 });
      await engine.up("gone", `${CORE}:ConfigMap`, object("ConfigMap", "gone"));
      await cluster.delete(object("ConfigMap", "gone"));
      await engine.remove("gone");
    });

    it("names the finalizers that keep an object at the deadline", async () => {
      const kept = object("ConfigMap", "kept", {}, { finalizers: ["example.com/wait"] });
      await engine.up("kept", `${CORE}:ConfigMap`, kept);
      try {
        await expect(engine.remove("kept", 1)).rejects.toThrow(
          /timed out waiting for ConfigMap ".*\/kept" to be deleted; it is kept by the finalizers .*example.com\/wait/,
        );
      } finally {
        await cluster.patch(kept, { metadata: { finalizers: null } });
      }
      await engine.remove("kept");
    });
  });

  describe("without the cluster", () => {
    const away = (more: ValueMap = {}): Promise<TestEngine> =>
      TestEngine.start({
        kubeconfig: cluster.kubeconfig.replace(/server: .*/, "server: https://127.0.0.1:1"),
        ...more,
      });

    it("reading and deleting say how to recover, a preview works with what is known", async () => {
      const lost = await away();
      try {
        lost.state.set("fixed", engine.state.get("fixed")!);
        await expect(lost.refresh("fixed")).rejects.toThrow(
          /unreachable.*127\.0\.0\.1:1.*PULUMI_K8S_DELETE_UNREACHABLE/,
        );
        await expect(lost.remove("fixed")).rejects.toThrow(/PULUMI_K8S_DELETE_UNREACHABLE/);
        expect(
          await lost.preview("new", `${CORE}:ConfigMap`, object("ConfigMap", "new", { data: { k: "v" } })),
        ).toMatchObject({ data: { k: "v" } });
        await expect(lost.up("new", `${CORE}:ConfigMap`, object("ConfigMap", "new"))).rejects.toThrow(/unreachable/);
      } finally {
        await lost.stop();
      }
    });

    it("its objects are forgotten with deleteUnreachable", async () => {
      const lost = await away({ deleteUnreachable: true });
      try {
        lost.state.set("fixed", engine.state.get("fixed")!);
        await lost.remove("fixed");
        lost.state.set("fixed", engine.state.get("fixed")!);
        expect(await lost.refresh("fixed")).toBe(false);
      } finally {
        await lost.stop();
      }
    });
  });

  it("a cancelled wait ends at once and keeps what was made", async () => {
    const other = await TestEngine.start({ kubeconfig: cluster.kubeconfig });
    try {
      const nowhere = pod("cancelled");
      const failing = failureOf(
        other.up(
          "cancelled",
          `${CORE}:Pod`,
          { ...nowhere, spec: { ...(nowhere.spec as ValueMap), nodeSelector: { no: "where" } } },
          600,
        ),
      );
      await cluster.until(nowhere, () => true);
      await other.cancel();
      const { failure } = await failing;
      expect(failure).toMatchObject({
        id: `${cluster.namespace}/cancelled`,
        reasons: expect.arrayContaining([expect.stringContaining("was cancelled")]) as string[],
      });
    } finally {
      await other.stop();
    }
  });
});
