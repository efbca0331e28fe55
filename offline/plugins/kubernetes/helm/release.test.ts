import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Secret, UNKNOWN, unwrap, type ValueMap } from "../../rpc/values";
import { at, textAt } from "../objects";
import { TestEngine } from "../testing/engine";
import { RELEASE_TYPE } from "./inputs";
import { describeWithHelm, Releases } from "./testing/releases";

jest.setTimeout(180_000);

const ABSENT = "docker.io/library/absent:1";

describeWithHelm("a release on a real cluster", () => {
  let on: Releases;
  const stored = (name: string): ValueMap => on.engine.state.get(name)!.outputs;
  const live = (name: string): ValueMap => unwrap(stored(name)) as ValueMap;
  const statusOf = (name: string): string => textAt(live(name), "status", "status");
  const changed = async (name: string, inputs: ValueMap): Promise<string[]> =>
    [
      ...(await on.engine.diff(name, await on.engine.check(name, RELEASE_TYPE, inputs))).getDetaileddiffMap().keys(),
    ].sort();

  beforeAll(async () => {
    on = await Releases.open();
  });
  afterAll(async () => {
    await on.close();
  });

  describe("in a preview", () => {
    it("is told by its objects' names, and nothing is made", async () => {
      const seen = await on.engine.preview("early", RELEASE_TYPE, on.inputs("early"));
      expect(seen).toMatchObject({
        name: "early",
        status: UNKNOWN,
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      });
      expect(seen.resourceNames).toMatchObject({
        "ConfigMap/v1": ["early", "early-deleted"],
        "Deployment.apps/apps/v1": ["early"],
        "Job.batch/batch/v1": ["early-before"],
      });
      expect(await on.records("early")).toEqual([]);
    });

    it("is told as far as it is known", async () => {
      const seen = await on.engine.preview("early", RELEASE_TYPE, on.inputs("early", { image: UNKNOWN }));
      expect(seen).toMatchObject({
        values: { image: UNKNOWN },
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      });
    });

    it("is refused with the chart's own complaint about its values", async () => {
      await expect(on.engine.preview("early", RELEASE_TYPE, on.inputs("early", { text: 5 }))).rejects.toThrow(
        /text[^]*(want string|expected: string|got number)/i,
      );
      await expect(
        on.engine.preview("early", RELEASE_TYPE, { ...on.inputs("early"), chart: "./absent" }),
      ).rejects.toThrow(/no chart at .\/absent/);
    });

    it("is refused for what the plugin does not have, by name", async () => {
      await expect(on.engine.preview("early", RELEASE_TYPE, on.inputs("early", {}, { verify: true }))).rejects.toThrow(
        /"verify" is not implemented by the registry-only plugin/,
      );
    });
  });

  describe("that is well", () => {
    it("is installed with its hooks, and its objects are ready", async () => {
      expect(await on.up("rel", on.inputs("rel"))).toBe("create");
      expect(on.engine.state.get("rel")?.id).toBe(`${on.namespace}/rel`);
      expect(live("rel").status).toEqual({
        name: "rel",
        namespace: on.namespace,
        revision: 1,
        status: "deployed",
        chart: "fixture",
        version: "1.0.0",
        appVersion: "9",
      });
      const deployment = await on.cluster.get({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "rel", namespace: on.namespace },
      });
      expect(at(deployment, "status", "readyReplicas")).toBe(1);
      expect(await on.has("Job", "rel-before")).toBe(false);
    });

    it("is left alone while nothing changes", async () => {
      expect(await on.up("rel", on.inputs("rel"))).toBe("same");
      expect(await on.engine.refresh("rel")).toBe(true);
      expect(await on.up("rel", on.inputs("rel"))).toBe("same");
    });

    it("keeps its secret values secret, wherever they are stored", () => {
      expect(at(stored("rel"), "values", "token")).toEqual(new Secret("planted-helm-token"));
      const shown = JSON.stringify({ outputs: stored("rel"), inputs: on.engine.state.get("rel")?.inputs });
      expect(shown).toContain("[secret]");
      expect(shown).not.toContain("planted-helm-token");
      expect(on.engine.messages).not.toContain("planted-helm-token");
    });

    it("is upgraded for other values, which the preview shows one by one", async () => {
      const inputs = on.inputs("rel", { text: "changed", token: new Secret("planted-other-token") });
      expect(await changed("rel", inputs)).toEqual(["values.text", "values.token"]);
      expect(await on.up("rel", inputs)).toBe("update");
      expect(live("rel").status).toMatchObject({ revision: 2, status: "deployed" });
      expect(
        textAt(
          await on.cluster.get({
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: "rel", namespace: on.namespace },
          }),
          "data",
          "text",
        ),
      ).toBe("changed");
    });

    it("loses a value that is gone from the program", async () => {
      await on.up("rel", on.inputs("rel"));
      expect((await on.records("rel")).at(-1)?.values).not.toHaveProperty("text");
    });

    it("is upgraded when its chart's files change under the same version", async () => {
      appendFileSync(
        join(on.chart, "templates", "objects.yaml"),
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-more\n",
      );
      expect(await changed("rel", on.inputs("rel"))).toEqual(["checksum", "resourceNames.ConfigMap/v1[2]"]);
      expect(await on.up("rel", on.inputs("rel"))).toBe("update");
      expect(await on.has("ConfigMap", "rel-more")).toBe(true);
    });

    it("keeps as many revisions as the program says", async () => {
      for (const text of ["a", "b", "c"]) await on.up("rel", on.inputs("rel", { text }, { maxHistory: 2 }));
      expect(await on.history("rel")).toEqual([
        expect.stringMatching(/superseded$/) as string,
        expect.stringMatching(/deployed$/) as string,
      ]);
    });

    it("is not taken from somebody else", async () => {
      const { message } = await on.failing("thief", on.inputs("rel"));
      expect(message).toMatch(/a release .*\/rel exists already[\s\S]*alias[\s\S]*pulumi import[\s\S]*helm uninstall/);
      expect(on.engine.state.has("thief")).toBe(false);
    });

    it("can be imported", async () => {
      const read = await on.engine.read("rel", RELEASE_TYPE, `${on.namespace}/rel`);
      expect(read?.inputs).toMatchObject({
        name: "rel",
        namespace: on.namespace,
        chart: "fixture",
        version: "1.0.0",
        values: { text: "c" },
      });
    });
  });

  describe("that somebody changed", () => {
    beforeAll(async () => {
      await on.up("drift", on.inputs("drift", { text: "mine" }));
    });

    it("gets its values back", async () => {
      on.helm("upgrade", "drift", on.chart, "--reuse-values", "--set", "text=theirs");
      expect(await on.engine.refresh("drift")).toBe(true);
      expect(at(on.engine.state.get("drift")?.inputs, "values", "text")).toBe("theirs");
      expect(await changed("drift", on.inputs("drift", { text: "mine" }))).toEqual(["values.text"]);
      expect(await on.up("drift", on.inputs("drift", { text: "mine" }))).toBe("update");
      expect((await on.records("drift")).at(-1)?.values.text).toBe("mine");
    });

    it("gets its chart back", async () => {
      const file = join(on.chart, "Chart.yaml");
      const before = readFileSync(file, "utf8");
      writeFileSync(file, before.replace("version: 1.0.0", "version: 2.0.0"));
      on.helm("upgrade", "drift", on.chart, "--reuse-values");
      writeFileSync(file, before);
      await on.engine.refresh("drift");
      expect(await on.up("drift", on.inputs("drift", { text: "mine" }))).toBe("update");
      expect(live("drift").status).toMatchObject({ version: "1.0.0", status: "deployed" });
    });

    it("is installed again when it was uninstalled", async () => {
      on.helm("uninstall", "drift", "--wait");
      expect(await on.engine.refresh("drift")).toBe(false);
      expect(await on.up("drift", on.inputs("drift"))).toBe("create");
    });

    it("is installed again also when nobody looked before", async () => {
      on.helm("uninstall", "drift", "--wait");
      expect(await on.up("drift", on.inputs("drift", { text: "again" }))).toBe("update");
      expect(await on.history("drift")).toEqual(["1 deployed"]);
    });
  });

  describe("that fails", () => {
    it("at its first time and atomic leaves nothing, and the error has the cluster's reason", async () => {
      const { message, failure } = await on.failing(
        "atomic",
        on.inputs("atomic", { ready: "exit 3" }, { atomic: true, timeout: 8 }),
      );
      expect(message).toMatch(
        /could not be installed: [\s\S]*deadline exceeded[\s\S]*\[Pod\/atomic-[^\]]+\]\[Unhealthy\] Readiness probe/,
      );
      expect(message).not.toContain("planted-helm-token");
      expect(failure).toBeUndefined();
      expect(await on.records("atomic")).toEqual([]);
      expect(await on.has("Deployment", "atomic")).toBe(false);
    });

    it("at its first time and not atomic stays in the state as failed, and the next run mends it", async () => {
      const { failure } = await on.failing("failed", on.inputs("failed", { ready: "exit 3" }, { timeout: 5 }));
      expect(failure?.id).toBe(`${on.namespace}/failed`);
      expect(statusOf("failed")).toBe("failed");
      expect(await on.up("failed", on.inputs("failed"))).toBe("update");
      expect(await on.history("failed")).toEqual(["1 superseded", "2 deployed"]);
    });

    it("at an upgrade and atomic is what it was before, and is tried again", async () => {
      await on.up("back", on.inputs("back", { text: "good" }, { atomic: true }));
      const bad = on.inputs("back", { text: "bad", ready: "exit 3" }, { atomic: true, timeout: 8 });
      expect((await on.failing("back", bad)).message).toMatch(/could not be upgraded/);
      expect(await on.history("back")).toEqual(["1 superseded", "2 failed", "3 deployed"]);
      expect(at(live("back"), "values", "text")).toBe("good");
      expect((await on.failing("back", bad)).message).toMatch(/could not be upgraded/);
      expect(await on.up("back", on.inputs("back", { text: "better" }, { atomic: true }))).toBe("update");
    });

    it("in a hook says which, with its reason", async () => {
      const { failure } = await on.failing("hook", on.inputs("hook", { before: "echo planted-helm-token; exit 7" }));
      expect(failure?.reasons.join("\n")).toMatch(/pre-install[\s\S]*hook-before[\s\S]*BackoffLimitExceeded/);
      expect(failure?.reasons.join("\n")).not.toContain("planted-helm-token");
      expect(statusOf("hook")).toBe("failed");
    });

    it("for an image that the node has not is over at its deadline, which customTimeouts of the program set", async () => {
      const { failure } = await on.failing(
        "image",
        on.inputs("image", { image: ABSENT }, { disableWebhooks: true }),
        3,
      );
      expect(failure?.reasons.join("\n")).toMatch(/ErrImageNeverPull[\s\S]*absent:1/);
    });

    it("is not waited for where the program says so", async () => {
      expect(await on.up("skipped", on.inputs("skipped", { ready: "exit 3" }, { skipAwait: true }))).toBe("create");
    });

    it("is told by a refresh too", async () => {
      await expect(on.engine.refresh("hook")).rejects.toThrow(/revision 1 of the release .*\/hook is failed: /);
    });
  });

  describe("that is removed", () => {
    it("runs its hooks, and names what the chart keeps", async () => {
      await on.up("gone", on.inputs("gone", { keep: true }));
      await on.engine.remove("gone");
      expect(await on.records("gone")).toEqual([]);
      expect([
        await on.has("Deployment", "gone"),
        await on.has("ConfigMap", "gone-deleted"),
        await on.has("ConfigMap", "gone-kept"),
      ]).toEqual([false, true, true]);
      expect(on.engine.messages).toMatch(/left what the chart says to keep .*\[ConfigMap\] gone-kept/);
    });

    it("may be gone already", async () => {
      await on.up("twice", on.inputs("twice", {}, { disableWebhooks: true }));
      on.helm("uninstall", "twice", "--wait");
      await on.engine.remove("twice");
    });

    it("under another name comes before the old one goes", async () => {
      await on.up("moved", on.inputs("moved-1"));
      expect(await on.up("moved", on.inputs("moved-2"))).toBe("replace");
      expect([await on.history("moved-1"), await on.history("moved-2")]).toEqual([[], ["1 deployed"]]);
    });
  });

  it("of a cluster that is gone is forgotten only with deleteUnreachable", async () => {
    const away = async (more: ValueMap): Promise<TestEngine> => {
      const engine = await TestEngine.start({
        kubeconfig: on.cluster.kubeconfig.replace(/server: .*/, "server: https://127.0.0.1:1"),
        ...more,
      });
      engine.state.set("rel", on.engine.state.get("rel")!);
      return engine;
    };
    const [lost, forgetting] = [await away({}), await away({ deleteUnreachable: true })];
    try {
      await expect(lost.refresh("rel")).rejects.toThrow(/unreachable.*PULUMI_K8S_DELETE_UNREACHABLE/);
      await expect(lost.remove("rel")).rejects.toThrow(/PULUMI_K8S_DELETE_UNREACHABLE/);
      await forgetting.remove("rel");
    } finally {
      await Promise.all([lost.stop(), forgetting.stop()]);
    }
  });
});
