import { BayClient, expectStatus } from "../../support/bay-client";
import { bay, expectRefusal, stack, url } from "../../support/suite";

const anonymous = new BayClient(url);
afterAll(() => anonymous.close());

describe("authentication @core", () => {
  it.each([
    ["no Authorization header", {}],
    ["an unknown key", { Authorization: "Bearer not-the-key" }],
    ["an empty key", { Authorization: "Bearer " }],
    ["the right key in another scheme", { Authorization: `Basic ${stack.apiKey}` }],
    ["the scheme in lower case", { Authorization: `bearer ${stack.apiKey}` }],
    ["a tenant's name alone", { "X-Owner": "somebody" }],
  ])("AUTH-1 refuses %s with 401 unauthorized", async (_, headers) => {
    expectRefusal(await anonymous.listSandboxes({}, { headers }), 401, "unauthorized");
  });

  it("AUTH-1 accepts the right key", async () => {
    const page = expectStatus(await bay.listSandboxes(), 200);
    expect(page).toEqual({ items: expect.any(Array), next_cursor: null });
  });

  it("refuses to create a sandbox without a key", async () => {
    expectRefusal(await anonymous.createSandbox(), 401, "unauthorized");
  });

  it("says that it is healthy, and in which version, to anybody", async () => {
    const health = expectStatus(await anonymous.health(), 200);
    expect(health).toEqual({ status: "ok", version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
  });

  it("shows its profiles to anybody: those that the stack promises", async () => {
    const { items } = expectStatus(await anonymous.profiles(), 200);
    const shown = items.map(({ id, capabilities, idle_timeout }) => ({
      id,
      capabilities: [...capabilities].sort(),
      idleTimeout: idle_timeout,
    }));
    const promised = stack.profiles.map(({ id, capabilities, idleTimeout }) => ({
      id,
      capabilities: [...capabilities].sort(),
      idleTimeout,
    }));
    expect(shown).toEqual(promised);
  });
});
