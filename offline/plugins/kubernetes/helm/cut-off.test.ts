/** Releases on which Helm, or the plugin with it, was killed in the middle. */
import { unwrap, type ValueMap } from "../../rpc/values";
import { at } from "../objects";
import { describeWithHelm, Releases } from "./testing/releases";

jest.setTimeout(180_000);

/** A hook that is under way for as long as a test needs. */
const SLOW = { before: "sleep 60" };

describeWithHelm("a release that was cut off", () => {
  let on: Releases;
  const status = (name: string): ValueMap => at(unwrap(on.engine.state.get(name)!.outputs), "status") as ValueMap;
  beforeAll(async () => {
    on = await Releases.open();
  });
  afterAll(async () => {
    await on.close();
  });

  it("while it was installed is in the state as pending, and the next run begins anew", async () => {
    const failing = on.failing("install", on.inputs("install", SLOW));
    await on.until("install", "pending-install");
    on.killHelm();
    expect((await failing).message).toMatch(/helm install ended by SIGKILL/);
    expect(status("install")).toMatchObject({ status: "pending-install", revision: 1 });
    expect(await on.up("install", on.inputs("install"))).toBe("update");
    expect(await on.history("install")).toEqual(["1 deployed"]);
    expect(on.engine.messages).toMatch(/the release was cut off \(pending-install\): removing what is there of it/);
  });

  it("with the plugin while it was installed is in no state, and the next run begins anew", async () => {
    const failing = on.failing("lost", on.inputs("lost", SLOW));
    await on.until("lost", "pending-install");
    await on.killPlugin();
    await failing;
    expect(on.engine.state.has("lost")).toBe(false);
    expect(await on.up("lost", on.inputs("lost"))).toBe("create");
    expect(await on.history("lost")).toEqual(["1 deployed"]);
  });

  it("while it was upgraded goes back first, so that nothing stays of what was cut off", async () => {
    await on.up("upgrade", on.inputs("upgrade", { text: "one" }));
    // Its objects are changed already: Helm waits for them when it is killed.
    const failing = on.failing("upgrade", on.inputs("upgrade", { text: "two", extra: "of two", ready: "exit 3" }));
    await on.until("upgrade", "pending-upgrade");
    const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "upgrade", namespace: on.namespace } };
    await on.cluster.until(configMap, (live) => at(live, "data", "extra") === "of two");
    on.killHelm();
    await failing;
    await expect(on.engine.refresh("upgrade")).rejects.toThrow(/is pending-upgrade.*under way or was cut off/);
    expect(await on.up("upgrade", on.inputs("upgrade", { text: "three" }))).toBe("update");
    expect(await on.history("upgrade")).toEqual(["1 superseded", "2 pending-upgrade", "3 superseded", "4 deployed"]);
    expect((await on.cluster.get(configMap)).data).toEqual({ text: "three" });
  });

  it("can be removed", async () => {
    await on.up("removed", on.inputs("removed"));
    const failing = on.failing("removed", on.inputs("removed", { text: "two", ...SLOW }));
    await on.until("removed", "pending-upgrade");
    await on.killPlugin();
    await failing;
    await on.engine.remove("removed");
    expect(await on.records("removed")).toEqual([]);
    expect(await on.has("Deployment", "removed")).toBe(false);
  });

  it("by the engine is left failed instead of pending, at once", async () => {
    const failing = on.failing("cancelled", on.inputs("cancelled", SLOW));
    await on.until("cancelled", "pending-install");
    await on.engine.cancel();
    const { failure } = await failing;
    expect(failure?.reasons.join("\n")).toMatch(/cancelled|canceled/);
    expect(await on.history("cancelled")).toEqual(["1 failed"]);
  });

  it("and is not this resource's is refused with ways out", async () => {
    const other = await Releases.open();
    try {
      const failing = other.failing("theirs", other.inputs("theirs", SLOW));
      await other.until("theirs", "pending-install");
      const { message } = await other.failing("mine", other.inputs("theirs"));
      expect(message).toMatch(
        /is not this resource's, and an operation on it is under way or was cut off \(revision 1, pending-install\)[\s\S]*helm status[\s\S]*helm uninstall/,
      );
      await other.engine.cancel();
      await failing;
    } finally {
      await other.close();
    }
  });
});
