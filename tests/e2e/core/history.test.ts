import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { expectRefusal, newSandbox, perTest } from "../../support/suite";

const mine = perTest();
let sandbox: SandboxClient;
beforeEach(async () => {
  sandbox = await newSandbox(mine);
});

describe("the history of a sandbox @core", () => {
  it("HIST-1 has every call of Python and of the shell with its code", async () => {
    const python = expectStatus(await sandbox.python("print(6 * 7)", { include_code: true }), 200);
    const shell = expectStatus(await sandbox.shell("echo here", { include_code: true }), 200);
    for (const { execution_id, execution_time_ms } of [python, shell]) {
      expect(execution_id).toMatch(/^exec-[0-9a-f]{12}$/);
      expect(execution_time_ms).toBeGreaterThanOrEqual(0);
    }
    expect([python.code, shell.command]).toEqual(["print(6 * 7)", "echo here"]);
    const { entries, total } = expectStatus(await sandbox.history(), 200);
    expect(total).toBe(2);
    expect(entries.map(({ id }) => id)).toEqual([shell.execution_id, python.execution_id]);
    expect(entries[1]).toMatchObject({
      exec_type: "python",
      code: "print(6 * 7)",
      success: true,
      output: "42",
      error: null,
      session_id: expect.stringMatching(/^sess-/),
    });
  });

  it("HIST-2 is filtered by success, tags, kind and notes, and takes notes later", async () => {
    const good = expectStatus(await sandbox.python("1", { tags: "alpha, Beta", description: "works" }), 200);
    const bad = expectStatus(await sandbox.shell("exit 3", { tags: "gamma" }), 200);
    const ids = async (params: Parameters<SandboxClient["history"]>[0]): Promise<string[]> =>
      expectStatus(await sandbox.history(params), 200).entries.map(({ id }) => id);
    expect(await ids({ success_only: true })).toEqual([good.execution_id]);
    expect(await ids({ tags: "gamma", exec_type: "shell" })).toEqual([bad.execution_id]);
    expect(await ids({ tags: "gamma", exec_type: "python" })).toEqual([]);
    expect(await ids({ has_notes: true })).toEqual([]);
    const noted = expectStatus(
      await sandbox.annotate(bad.execution_id, { notes: "look here", description: "fails" }),
      200,
    );
    expect(noted).toMatchObject({
      id: bad.execution_id,
      notes: "look here",
      description: "fails",
      tags: "gamma",
      success: false,
    });
    expect(await ids({ has_notes: true })).toEqual([bad.execution_id]);
    expect(expectStatus(await sandbox.execution(bad.execution_id), 200)).toEqual(noted);
  });

  it("HIST-3 tells the last call, of all and of a kind", async () => {
    expectRefusal(await sandbox.lastExecution(), 404, "not_found");
    await sandbox.shell("echo one");
    const shell = expectStatus(await sandbox.shell("echo two"), 200);
    const python = expectStatus(await sandbox.python("3"), 200);
    expect(expectStatus(await sandbox.lastExecution(), 200).id).toBe(python.execution_id);
    expect(expectStatus(await sandbox.lastExecution("shell"), 200).id).toBe(shell.execution_id);
  });

  it("HIST-4 has no kind for files", async () => {
    expectStatus(await sandbox.history({ exec_type: "filesystem" }), 422);
  });

  it("has nothing of a call that was refused, nor of another sandbox", async () => {
    const other = await newSandbox(mine);
    const { execution_id } = expectStatus(await other.python("1"), 200);
    expectRefusal(await sandbox.shell("pwd", { cwd: "/etc" }), 400, "invalid_path");
    expect(expectStatus(await sandbox.history(), 200)).toEqual({ entries: [], total: 0 });
    expectRefusal(await sandbox.execution(execution_id), 404, "not_found");
    expectRefusal(await sandbox.annotate(execution_id, { notes: "not mine" }), 404, "not_found");
  });
});
