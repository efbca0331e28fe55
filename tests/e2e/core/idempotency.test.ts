import { expectStatus } from "../../support/bay-client";
import { uniqueName } from "../../support/names";
import { bay, cluster, expectRefusal, newSandbox, owned, perTest } from "../../support/suite";

const mine = perTest();
const keyed = (key = uniqueName("create")): { headers: Record<string, string> } => ({
  headers: { "Idempotency-Key": key },
});

describe("Idempotency-Key @core", () => {
  it("IDEM-1 gives the same sandbox for the same key and body", async () => {
    const key = keyed();
    const first = await newSandbox(mine, { ttl: 600 }, key);
    expect(expectStatus(await bay.createSandbox({ ttl: 600 }, key), 201)).toEqual(first.created);
  });

  it("IDEM-2 refuses the same key with another body: 409 conflict", async () => {
    const key = keyed();
    await newSandbox(mine, { ttl: 600 }, key);
    const { details } = expectRefusal(await bay.createSandbox({ ttl: 700 }, key), 409, "conflict");
    expect(details).toMatchObject({ key: key.headers["Idempotency-Key"], hint: expect.any(String) });
  });

  it("IDEM-3 makes two sandboxes without a key", async () => {
    const [first, second] = [await newSandbox(mine), await newSandbox(mine)];
    expect(first.id).not.toBe(second.id);
  });

  it.each([
    ["has spaces", "two words"],
    ["has a forbidden character", "a/b"],
    ["is too long", "k".repeat(129)],
  ])("IDEM-4 refuses a key that %s: 409 conflict", async (_, key) => {
    expectRefusal(await bay.createSandbox({}, keyed(key)), 409, "conflict");
  });

  it("AGT-3 makes another sandbox for another key", async () => {
    const [first, second] = [await newSandbox(mine, {}, keyed()), await newSandbox(mine, {}, keyed())];
    expect(first.id).not.toBe(second.id);
  });

  it("counts a body with the defaults written out as the same body", async () => {
    const key = keyed();
    const first = await newSandbox(mine, {}, key);
    expect(expectStatus(await bay.createSandbox({ profile: "python-default" }, key), 201).id).toBe(first.id);
  });

  it("replays the first answer even after the sandbox is deleted", async () => {
    const key = keyed();
    const first = await newSandbox(mine, {}, key);
    expectStatus(await first.delete(), 204);
    expect(expectStatus(await bay.createSandbox({}, key), 201)).toEqual(first.created);
    expectRefusal(await first.get(), 404, "not_found");
  });

  it("makes one sandbox with one claim when the first uses of a key come at once", async () => {
    const key = keyed();
    const answers = await Promise.all(Array.from({ length: 5 }, () => bay.createSandbox({}, key)));
    const ids = new Set(answers.map((answer) => expectStatus(answer, 201).id));
    for (const id of ids) owned(mine, id);
    expect(ids.size).toBe(1);
    expect(await cluster.claim(answers[0]!.data.cargo_id)).toBeDefined();
  });
});
