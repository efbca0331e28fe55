import { expectStatus } from "../../support/bay-client";
import { bay, cluster, expectRefusal, newSandbox, perTest } from "../../support/suite";

const mine = perTest();

describe("lifecycle of a sandbox @core", () => {
  it("LIFE-1 creates a sandbox: idle, with its own id, cargo and capabilities", async () => {
    const { created } = await newSandbox(mine, { profile: "python-default" });
    expect(created).toEqual({
      id: expect.stringMatching(/^sandbox-[0-9a-f]{12}$/),
      cargo_id: expect.stringMatching(/^ws-[0-9a-f]{12}$/),
      status: "idle",
      profile: "python-default",
      capabilities: expect.arrayContaining(["python", "shell", "filesystem"]),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$/),
      expires_at: null,
      idle_expires_at: null,
      containers: null,
    });
  });

  it("LIFE-2 runs Python on first use; then it is ready or starting, and shows its runtime", async () => {
    const sandbox = await newSandbox(mine);
    const result = expectStatus(await sandbox.python("print(1 + 2)"), 200);
    expect(result).toMatchObject({ success: true, output: "3", error: null });
    const seen = expectStatus(await sandbox.get(), 200);
    expect(["ready", "starting"]).toContain(seen.status);
    expect(seen.containers).toEqual([
      {
        name: "ship",
        runtime_type: "ship",
        status: "running",
        version: expect.stringMatching(/\d/),
        capabilities: expect.any(Array),
        healthy: true,
      },
    ]);
    expect(seen.idle_expires_at).toMatch(/^\d{4}-/);
  });

  it("LIFE-3 stops a sandbox: idle again, with the same cargo and no pod", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.python("1"), 200);
    expect(expectStatus(await sandbox.stop(), 200)).toEqual({ status: "stopped" });
    expect(await cluster.sessionPods(sandbox.id)).toEqual([]);
    expect(expectStatus(await sandbox.get(), 200)).toMatchObject({
      status: "idle",
      cargo_id: sandbox.created.cargo_id,
      idle_expires_at: null,
      containers: null,
    });
  });

  it("LIFE-4 accepts three stops in a row", async () => {
    const sandbox = await newSandbox(mine);
    for (const answer of [await sandbox.stop(), await sandbox.stop(), await sandbox.stop()]) {
      expect(expectStatus(answer, 200)).toEqual({ status: "stopped" });
    }
  });

  it("LIFE-5 deletes a used sandbox: it is not found any more, and no pod and no claim of it is left in the cluster", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.shell("true"), 200);
    expect((await cluster.sessionPod(sandbox.id)).status?.phase).toBe("Running");
    expect((await cluster.claim(sandbox.created.cargo_id))?.status?.phase).toBe("Bound");
    expectStatus(await sandbox.delete(), 204);
    expectRefusal(await sandbox.get(), 404, "not_found");
    expectRefusal(await sandbox.python("1"), 404, "not_found");
    await cluster.podsGone(sandbox.id);
    await cluster.claimGone(sandbox.created.cargo_id);
  });

  it("takes a second deletion of the same sandbox as done", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.delete(), 204);
    expectStatus(await sandbox.delete(), 204);
  });

  it("LIFE-6, SRV-4 makes the volume claim with the sandbox, before any use, and removes it with the sandbox", async () => {
    const sandbox = await newSandbox(mine);
    const claim = await cluster.claim(sandbox.created.cargo_id);
    expect(claim?.spec?.accessModes).toEqual(["ReadWriteOnce"]);
    expect(claim?.metadata?.labels).toMatchObject({ "bay.cargo_id": sandbox.created.cargo_id, "bay.managed": "true" });
    expectStatus(await sandbox.delete(), 204);
    await cluster.claimGone(sandbox.created.cargo_id);
  });

  it("lists a sandbox until it is deleted", async () => {
    const listed = async (): Promise<string[]> =>
      expectStatus(await bay.listSandboxes({ limit: 200 }), 200).items.map(({ id }) => id);
    const sandbox = await newSandbox(mine);
    expect(await listed()).toContain(sandbox.id);
    expectStatus(await sandbox.delete(), 204);
    expect(await listed()).not.toContain(sandbox.id);
  });

  it("gives a sandbox that is kept alive a new idle time without starting a pod", async () => {
    const sandbox = await newSandbox(mine, { ttl: 3600 });
    expect(expectStatus(await sandbox.keepalive(), 200)).toEqual({ status: "ok" });
    const seen = expectStatus(await sandbox.get(), 200);
    expect(seen.idle_expires_at).toMatch(/^\d{4}-/);
    expect(seen.expires_at).toBe(sandbox.created.expires_at);
  });
});

describe("a stopped sandbox @core", () => {
  it("INT-2 wakes with its files and without its variables, in a new pod @slow", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.python("kept = 41\nopen('/tmp/scratch', 'w').close()"), 200);
    expectStatus(await sandbox.writeFile("notes/kept.txt", "still here"), 200);
    const first = await cluster.sessionPod(sandbox.id);
    expectStatus(await sandbox.stop(), 200);
    const lost = expectStatus(await sandbox.python("kept"), 200);
    expect(lost).toMatchObject({ success: false, error: expect.stringContaining("NameError") });
    expect(expectStatus(await sandbox.readFile("notes/kept.txt"), 200)).toEqual({ content: "still here" });
    expect(expectStatus(await sandbox.shell("test -e /tmp/scratch"), 200).exit_code).toBe(1);
    const second = await cluster.sessionPod(sandbox.id);
    expect(second.metadata?.uid).not.toBe(first.metadata?.uid);
    expect(second.metadata?.name).not.toBe(first.metadata?.name);
  });
});
