import { createHash } from "node:crypto";
import { type Bay, KEY, startBay } from "./support/bay";
import { ShipDriver } from "./support/ship-driver";

const ADMIN = "admin-key-of-this-test";
const asAdmin = { authorization: `Bearer ${ADMIN}` };
const idOf = (key: string): string => createHash("sha256").update(key).digest("hex").slice(0, 12);
const ADMIN_ROUTES: [method: string, path: string, body?: object][] = [
  ["POST", "/v1/admin/gc/run", {}],
  ["GET", "/v1/admin/gc/status"],
  ["GET", "/v1/admin/recovery"],
  ["POST", "/v1/admin/recovery/adopt", {}],
  ["GET", "/v1/admin/keys"],
  ["DELETE", "/v1/admin/keys/000000000000"],
];

describe("API keys", () => {
  let driver: ShipDriver;
  let bay: Bay;
  beforeEach(() => {
    driver = new ShipDriver();
  });
  afterEach(async () => {
    await bay.stop();
  });
  const start = async (changes: object = {}, env: Record<string, string> = {}): Promise<void> => {
    bay = await startBay(changes, driver, env);
  };
  const again = async (changes: object = {}, env: Record<string, string> = {}): Promise<void> => {
    await bay.close(1_000);
    await start(changes, env);
  };
  const status = async (key: string, path = "/v1/sandboxes"): Promise<number> =>
    (await bay.call("GET", path, undefined, { authorization: `Bearer ${key}` })).status;
  const keys = async (key = KEY) =>
    (await bay.call("GET", "/v1/admin/keys", undefined, { authorization: `Bearer ${key}` })).body.items as {
      id: string;
      admin: boolean;
    }[];

  test("of earlier starts stay good, are listed without what they are, and end at once when they are revoked", async () => {
    await start({}, { BAY_API_KEY: "rotated-away-1" });
    await again();
    expect([await status("rotated-away-1"), await status(KEY)]).toEqual([200, 200]);
    const listed = await keys();
    expect(listed).toEqual([
      {
        id: idOf("rotated-away-1"),
        prefix: null,
        owner: "default",
        admin: false,
        configured: false,
        created_at: expect.any(String),
        last_used_at: expect.any(String),
      },
      {
        id: idOf(KEY),
        prefix: null,
        owner: "default",
        admin: false,
        configured: true,
        created_at: expect.any(String),
        last_used_at: expect.any(String),
      },
    ]);
    expect((await bay.call("DELETE", `/v1/admin/keys/${idOf("rotated-away-1")}`)).status).toBe(204);
    expect([await status("rotated-away-1"), await status(KEY)]).toEqual([401, 200]);
    await again();
    expect(await status("rotated-away-1")).toBe(401);
    expect((await bay.call("DELETE", `/v1/admin/keys/${idOf("rotated-away-1")}`)).body.error.code).toBe("not_found");
  });

  test("that Bay was started with cannot be revoked: the next start would bring them back", async () => {
    await start();
    expect(await bay.call("DELETE", `/v1/admin/keys/${idOf(KEY)}`)).toMatchObject({
      status: 409,
      body: { error: { code: "conflict" } },
    });
    expect(await status(KEY)).toBe(200);
  });

  test.each(["%20", "0", idOf(KEY).slice(0, 11), "..%2f", "x".repeat(400)])("%j is the id of none", async (id) => {
    await start();
    expect((await bay.call("DELETE", `/v1/admin/keys/${id}`)).status).toBeGreaterThanOrEqual(404);
    expect(await status(KEY)).toBe(200);
  });

  test("go with security.revoke_other_keys when Bay is started with another one", async () => {
    await start({}, { BAY_API_KEY: "rotated-away-2", BAY_ADMIN_KEY: "old-admin" });
    await again({ security: { allow_anonymous: false, revoke_other_keys: true } });
    expect([await status("rotated-away-2"), await status(KEY)]).toEqual([401, 200]);
    // No admin key was given: the old one is the only one there is, and the routes stay closed.
    expect([await status("old-admin"), await status(KEY, "/v1/admin/gc/status")]).toEqual([200, 403]);
    await again({ security: { allow_anonymous: false, revoke_other_keys: true } }, { BAY_ADMIN_KEY: ADMIN });
    expect([await status("old-admin"), await status(ADMIN, "/v1/admin/gc/status")]).toEqual([401, 200]);
  });

  test("open the admin routes as long as there is no admin key", async () => {
    await start();
    for (const [method, path, body] of ADMIN_ROUTES)
      expect([200, 404]).toContain((await bay.call(method, path, body)).status);
  });

  test.each(ADMIN_ROUTES)("an admin key closes %s %s to all others", async (...[method, path, body]) => {
    await start({}, { BAY_ADMIN_KEY: ADMIN });
    expect(await bay.call(method, path, body)).toMatchObject({
      status: 403,
      body: { error: { code: "forbidden", request_id: expect.any(String) } },
    });
    expect((await bay.call(method, path, body, { authorization: "Bearer wrong" })).status).toBe(401);
    expect([200, 404]).toContain((await bay.call(method, path, body, asAdmin)).status);
  });

  test("an admin key is an API key too, stays one when it is no longer configured, and is stored as a digest", async () => {
    await start({ security: { allow_anonymous: false, admin_key: ADMIN } });
    expect(await status(ADMIN)).toBe(200);
    expect(JSON.stringify(bay.services.context.store.apiKeys())).not.toContain(ADMIN);
    await again();
    expect([await status(KEY, "/v1/admin/gc/status"), await status(ADMIN, "/v1/admin/gc/status")]).toEqual([403, 200]);
    expect((await bay.call("DELETE", `/v1/admin/keys/${idOf(ADMIN)}`, undefined, asAdmin)).status).toBe(204);
    expect([await status(ADMIN), await status(KEY, "/v1/admin/gc/status")]).toEqual([401, 200]);
    expect(JSON.stringify(bay.logged)).not.toContain(ADMIN);
  });

  test("a caller without a key may neither see nor end keys, nor adopt, also where strangers are let in", async () => {
    await start({ security: { allow_anonymous: true } });
    for (const [method, path, body] of ADMIN_ROUTES.filter(([, each]) => !each.includes("/gc/"))) {
      expect((await bay.call(method, path, body, { authorization: "" })).status).toBe(401);
    }
    expect((await bay.call("GET", "/v1/admin/gc/status", undefined, { authorization: "" })).status).toBe(200);
    await again({ security: { allow_anonymous: true } }, { BAY_ADMIN_KEY: ADMIN });
    expect((await bay.call("GET", "/v1/admin/gc/status", undefined, { authorization: "" })).status).toBe(403);
  });

  test("an admin key that is the API key is refused at the start", async () => {
    await start();
    await expect(startBay({}, driver, { BAY_ADMIN_KEY: KEY })).rejects.toThrow("wanted another one");
  });
});
