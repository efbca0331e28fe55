import { createHash, createHmac } from "node:crypto";
import http from "node:http";
import { statSync } from "node:fs";
import path from "node:path";
import { sessionKey, SessionTokens } from "../src/services/session-tokens";
import { Database } from "../src/store/database";
import { SqliteStore } from "../src/store/sqlite";
import { type Bay, startBay, until } from "./support/bay";
import { ShipDriver } from "./support/ship-driver";

describe("A session's token", () => {
  const tokens = new SessionTokens("a key");

  test("is made from Bay's key and the session's id, and its digest is what the pod is given", () => {
    const token = createHmac("sha256", "a key").update("shipsess-1").digest("base64url");
    expect(tokens.token("sess-1")).toBe(token);
    expect(tokens.verifier("sess-1")).toBe(createHash("sha256").update(token).digest("hex"));
    expect(tokens.token("sess-2")).not.toBe(token);
    expect(new SessionTokens("another key").token("sess-1")).not.toBe(token);
  });

  test("needs a key: the one that is given, else one that the database keeps", () => {
    const store = new SqliteStore(new Database(":memory:"));
    const made = sessionKey({}, store);
    expect(made.length).toBeGreaterThan(40);
    expect(sessionKey({}, store)).toBe(made);
    expect(sessionKey({ BAY_SESSION_KEY: "x".repeat(32) }, store)).toBe("x".repeat(32));
    expect(sessionKey({}, store)).toBe(made);
    expect(() => sessionKey({ BAY_SESSION_KEY: "short" }, store)).toThrow("expected 32 or more");
    expect(sessionKey({}, new SqliteStore(new Database(":memory:")))).not.toBe(made);
  });
});

describe("Between Bay and its runtimes", () => {
  let driver: ShipDriver;
  let bay: Bay;
  beforeEach(async () => {
    driver = new ShipDriver();
    bay = await startBay({}, driver);
  });
  afterEach(async () => {
    await bay.stop();
  });
  const sessionOf = (id: string): string => bay.services.context.store.sandbox(id)!.sessionId!;
  const urlOf = (id: string): string => driver.ships.get(sessionOf(id))!.ship.url;
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

  test("every call has the token, and no other sandbox's token is taken", async () => {
    const [one, two] = [await bay.sandbox(), await bay.sandbox()];
    for (const id of [one, two]) expect((await bay.python(id, "6 * 7")).body.output).toBe("42");
    expect((await fetch(`${urlOf(two)}/shell/processes`)).status).toBe(401);
    const { tokens } = bay.services.context;
    expect((await fetch(`${urlOf(two)}/shell/processes`, bearer(tokens.token(sessionOf(one))))).status).toBe(401);
    expect((await fetch(`${urlOf(two)}/shell/processes`, bearer(tokens.token(sessionOf(two))))).status).toBe(200);
    const form = new FormData();
    form.append("path", "up");
    form.append("file", new Blob(["content"]), "up");
    expect((await bay.call("POST", `/v1/sandboxes/${two}/filesystem/upload`, form)).status).toBe(200);
    expect((await bay.call("GET", `/v1/sandboxes/${two}/filesystem/download?path=up`)).body.toString()).toBe("content");
    expect((await bay.call("GET", `/v1/sandboxes/${two}`)).body.containers).toMatchObject([
      { healthy: true, version: expect.any(String) },
    ]);
  });

  test("no token stands in logs, answers, history or the database", async () => {
    const id = await bay.sandbox();
    await bay.python(id, "import os; print(dict(os.environ)); open('missing')");
    await bay.shell(id, "env; exit 3");
    const token = bay.services.context.tokens.token(sessionOf(id));
    const history = await bay.call("GET", `/v1/sandboxes/${id}/history`);
    expect(JSON.stringify([bay.logged, history.body, bay.services.context.store.session(sessionOf(id))])).not.toContain(
      token,
    );
    expect(statSync(path.join(driver.folder, "bay.db")).mode & 0o777).toBe(0o600);
  });

  test("a session from before the tokens goes on", async () => {
    driver.takesToken = false;
    const id = await bay.sandbox();
    await bay.python(id, "x = 41");
    driver.takesToken = true;
    await bay.close(1_000);
    bay = await startBay({}, driver);
    expect((await bay.python(id, "x + 1")).body.output).toBe("42");
    expect(driver.count("start")).toBe(1);
  });

  test("a runtime that does not know this Bay's token is replaced, files stay", async () => {
    const id = await bay.sandbox();
    await bay.shell(id, "echo kept > f");
    await bay.close(1_000);
    bay = await startBay({}, driver, { BAY_SESSION_KEY: "another key, long enough to be one" });
    expect((await bay.shell(id, "cat f")).body.output).toBe("kept");
    expect([
      driver.count("start"),
      bay.logged.some(({ msg }) => String(msg).includes("does not know this Bay's token")),
    ]).toEqual([2, true]);
  });

  test("an image whose runtime asks for no token works on, and is named once in the log and in the metrics", async () => {
    driver.takesToken = false;
    const ids = [await bay.sandbox(), await bay.sandbox()];
    for (const id of ids) expect((await bay.python(id, "1")).body.success).toBe(true);
    const metric = (): Promise<string> =>
      bay.services.metrics.registry.getSingleMetricAsString("bay_open_runtime_images");
    await until("the image is known", async () => (await metric()).includes('{image="ship"} 1'));
    expect(bay.logged.filter(({ msg }) => String(msg).includes("without its session's token"))).toMatchObject([
      { level: 40, image: "ship" },
    ]);
  });

  test("an image whose runtime asks for it is not", async () => {
    const id = await bay.sandbox();
    const asked = jest.spyOn(http, "request");
    await bay.python(id, "1");
    await until(
      "the runtime was asked",
      () => asked.mock.calls.filter(([url]) => String(url).endsWith("/meta")).length >= 2,
    );
    asked.mockRestore();
    await bay.python(id, "2");
    expect(await bay.services.metrics.registry.getSingleMetricAsString("bay_open_runtime_images")).not.toContain("} 1");
  });
});
