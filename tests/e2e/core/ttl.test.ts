import { expectStatus } from "../../support/bay-client";
import { uniqueName } from "../../support/names";
import { expectRefusal, newSandbox, perTest, untilExpired } from "../../support/suite";

const mine = perTest();
/** Bay's times are UTC without saying so. */
const seconds = (time: string | null): number => Date.parse(`${time}Z`) / 1000;

describe("time to live @core", () => {
  it("TTL-1 is extended by the seconds asked for", async () => {
    const sandbox = await newSandbox(mine, { ttl: 3600 });
    const extended = expectStatus(await sandbox.extendTtl(600), 200);
    expect(extended.id).toBe(sandbox.id);
    expect(seconds(extended.expires_at)).toBeCloseTo(seconds(sandbox.created.expires_at) + 600, 3);
  });

  it("TTL-2 is extended once when the same key comes twice", async () => {
    const sandbox = await newSandbox(mine, { ttl: 3600 });
    const headers = { "Idempotency-Key": uniqueName("extend") };
    const first = expectStatus(await sandbox.extendTtl(600, { headers }), 200);
    expect(expectStatus(await sandbox.extendTtl(600, { headers }), 200)).toEqual(first);
    expect(expectStatus(await sandbox.get(), 200).expires_at).toBe(first.expires_at);
  });

  it.each([
    ["no ttl", {}],
    ["a ttl of 0", { ttl: 0 }],
  ])("TTL-3 cannot be extended for a sandbox with %s: 409 sandbox_ttl_infinite", async (_, body) => {
    const sandbox = await newSandbox(mine, body);
    expect(sandbox.created.expires_at).toBeNull();
    expect(expectRefusal(await sandbox.extendTtl(60), 409, "sandbox_ttl_infinite").details).toEqual({
      sandbox_id: sandbox.id,
    });
  });

  it("TTL-4, LONG-2 cannot be extended once it has passed: 409 sandbox_expired; other calls still work", async () => {
    const sandbox = await newSandbox(mine, { ttl: 1 });
    await untilExpired(sandbox);
    const { details } = expectRefusal(await sandbox.extendTtl(60), 409, "sandbox_expired");
    expect(details).toEqual({ sandbox_id: sandbox.id, expires_at: expect.any(String) });
    expectStatus(await sandbox.keepalive(), 200);
  });

  it.each([0, -5])("cannot be extended by %i seconds: 400 validation_error", async (by) => {
    const sandbox = await newSandbox(mine, { ttl: 60 });
    expectRefusal(await sandbox.extendTtl(by), 400, "validation_error");
  });

  it("LONG-4 is extended without touching what runs", async () => {
    const sandbox = await newSandbox(mine, { ttl: 600 });
    expectStatus(await sandbox.python("kept = 5"), 200);
    expectStatus(await sandbox.extendTtl(60), 200);
    expect(expectStatus(await sandbox.python("kept"), 200).output).toBe("5");
  });

  it("LONG-1 is extended once by a replayed key while a long task runs, which goes on", async () => {
    const sandbox = await newSandbox(mine, { ttl: 120 });
    const task = sandbox.python("import time\ntime.sleep(2)\nprint('done')");
    const headers = { "Idempotency-Key": uniqueName("long") };
    const [first, again] = [
      expectStatus(await sandbox.extendTtl(60, { headers }), 200),
      expectStatus(await sandbox.extendTtl(60, { headers }), 200),
    ];
    expect(again.expires_at).toBe(first.expires_at);
    expect(expectStatus(await task, 200)).toMatchObject({ success: true, output: "done" });
  });

  it("LONG-3 shows no time for a sandbox that lives for ever", async () => {
    const sandbox = await newSandbox(mine);
    expect(expectStatus(await sandbox.get(), 200).expires_at).toBeNull();
    expectRefusal(await sandbox.extendTtl(60), 409, "sandbox_ttl_infinite");
  });

  it("LONG-5 is extended twice by two keys", async () => {
    const sandbox = await newSandbox(mine, { ttl: 600 });
    const times = [sandbox.created.expires_at];
    for (const key of [uniqueName("once"), uniqueName("twice")])
      times.push(expectStatus(await sandbox.extendTtl(60, { headers: { "Idempotency-Key": key } }), 200).expires_at);
    expect(times.map((time) => seconds(time) - seconds(times[0]!)).map(Math.round)).toEqual([0, 60, 120]);
  });
});
