import { type Answer, expectStatus, type SandboxClient } from "../../support/bay-client";
import { lacks } from "../../support/lacking";
import { uniqueName } from "../../support/names";
import { bay, expectRefusal, newSandbox, perTest } from "../../support/suite";

const mine = perTest();

interface BrowserResult {
  success: boolean;
  trace_ref: string | null;
  execution_id: string;
  results?: { exit_code: number }[];
  total_steps?: number;
  completed_steps?: number;
}

/** A sandbox with a browser. Ends the test as a named skip where no profile has one. */
async function browserSandbox(): Promise<SandboxClient> {
  const { items } = expectStatus(await bay.profiles(), 200);
  const profile = items.find(({ capabilities }) => capabilities.includes("browser"));
  return profile ? newSandbox(mine, { profile: profile.id }) : lacks("a profile with a browser");
}

const trace = async (sandbox: SandboxClient, ref: string) =>
  expectStatus(await sandbox.browser<{ trace: { kind: string; steps: object[] } }>("GET", `/traces/${ref}`), 200).trace;

describe("the browser of a sandbox @core", () => {
  it.each<[string, (sandbox: SandboxClient) => Promise<Answer<unknown>>]>([
    ["exec", (sandbox) => sandbox.browser("POST", "/exec", { cmd: "open about:blank" })],
    ["exec_batch", (sandbox) => sandbox.browser("POST", "/exec_batch", { commands: ["open about:blank"] })],
    ["skills/x/run", (sandbox) => sandbox.browser("POST", "/skills/x/run", {})],
  ])("is refused by %s with 400 capability_not_supported where its profile has none", async (_, call) => {
    const sandbox = await newSandbox(mine);
    expect(expectRefusal(await call(sandbox), 400, "capability_not_supported").details).toMatchObject({
      capability: "browser",
      available: expect.arrayContaining(["python"]),
    });
  });

  it("BRSK-1, BRSK-2 keeps what it ran: with a trace when asked, in the history when it is to learn", async () => {
    const sandbox = await browserSandbox();
    const traced = expectStatus(
      await sandbox.browser<BrowserResult>("POST", "/exec", {
        cmd: "open about:blank",
        learn: true,
        include_trace: true,
      }),
      200,
    );
    expect(traced.trace_ref).toMatch(/^blob:/);
    expect(expectStatus(await sandbox.execution(traced.execution_id), 200).payload_ref).toBe(traced.trace_ref);
    expect(
      expectStatus(await bay.skills<{ payload: object }>("GET", `/payloads/${traced.trace_ref}`), 200).payload,
    ).toEqual(await trace(sandbox, traced.trace_ref!));
    const learned = expectStatus(
      await sandbox.browser<BrowserResult>("POST", "/exec", { cmd: "open about:blank", learn: true }),
      200,
    );
    expect(learned.trace_ref).toBeNull();
    expect(expectStatus(await sandbox.execution(learned.execution_id), 200).payload_ref).toMatch(/^blob:/);
  });

  it("BRSK-3, BRSK-4, BRBC-1 stops a batch at the first error, and response, history and trace agree", async () => {
    const sandbox = await browserSandbox();
    const batch = expectStatus(
      await sandbox.browser<BrowserResult>("POST", "/exec_batch", {
        commands: ["open about:blank", "no-such-command", "open about:blank"],
        include_trace: true,
      }),
      200,
    );
    expect(batch).toMatchObject({ total_steps: 3, completed_steps: 2, success: false });
    expect(batch.results!.at(-1)!.exit_code).not.toBe(0);
    expect(expectStatus(await sandbox.execution(batch.execution_id), 200)).toMatchObject({
      exec_type: "browser_batch",
      success: false,
    });
    expect((await trace(sandbox, batch.trace_ref!)).steps).toHaveLength(2);
  });

  it("BRSK-5, BRSK-6 says when there is no such trace, and no release of a skill", async () => {
    const sandbox = await browserSandbox();
    expectRefusal(await sandbox.browser("GET", "/traces/blob:blob-000000000000"), 404, "not_found");
    expect(
      expectRefusal(await sandbox.browser("POST", "/skills/no-such-skill/run", {}), 404, "not_found").message,
    ).toContain("No active release found");
  });

  it("BRSK-7, BRSK-8 replays the released payload of a skill, and refuses one that is kept elsewhere", async () => {
    const sandbox = await browserSandbox();
    const { execution_id } = expectStatus(
      await sandbox.browser<BrowserResult>("POST", "/exec", { cmd: "open about:blank" }),
      200,
    );
    const release = async (payload_ref: string): Promise<string> => {
      const skill_key = uniqueName("replay");
      const { id } = expectStatus(
        await bay.skills<{ id: string }>("POST", "/candidates", {
          skill_key,
          source_execution_ids: [execution_id],
          payload_ref,
        }),
        201,
      );
      expectStatus(await bay.skills("POST", `/candidates/${id}/evaluate`, { passed: true }), 200);
      expectStatus(await bay.skills("POST", `/candidates/${id}/promote`, { stage: "stable" }), 200);
      return skill_key;
    };
    const elsewhere = await sandbox.browser("POST", `/skills/${await release("s3://bucket/key")}/run`, {});
    expect(expectRefusal(elsewhere, 400, "validation_error").message).toContain("Unsupported payload_ref");
    const { payload_ref } = expectStatus(
      await bay.skills<{ payload_ref: string }>("POST", "/payloads", { payload: { commands: ["open about:blank"] } }),
      201,
    );
    const run = expectStatus(
      await sandbox.browser<BrowserResult>("POST", `/skills/${await release(payload_ref)}/run`, {}),
      200,
    );
    expect(run).toMatchObject({
      total_steps: 1,
      completed_steps: 1,
      success: true,
      execution_id: expect.stringMatching(/^exec-/),
    });
  });
});
