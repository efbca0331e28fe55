import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { configSchema } from "../src/config/schema";
import { apiKey } from "../src/http/api-keys";
import { isoTime } from "../src/ids";
import { Database } from "../src/store/database";
import { SqliteStore } from "../src/store/sqlite";
import { type Bay, KEY, startBay, until } from "./support/bay";

describe("Bay's HTTP conventions", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterAll(async () => {
    await bay.stop();
  });
  const anonymous = (method: string, route: string, body?: unknown, headers: Record<string, string> = {}) =>
    bay.call(method, route, body, { authorization: "", ...headers });

  test("health and profiles are open", async () => {
    expect(await anonymous("GET", "/health")).toMatchObject({
      status: 200,
      body: { status: "ok", version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
    });
    const { body } = await anonymous("GET", "/v1/profiles");
    expect(body.items.map(({ id }: { id: string }) => id)).toEqual([
      "python-default",
      "python-only-test",
      "lies",
      "two",
    ]);
    expect(body.items[0]).toEqual({
      id: "python-default",
      image: "ship",
      resources: { cpus: 1, memory: "1g" },
      capabilities: ["python", "shell", "filesystem"],
      idle_timeout: 1800,
      description: null,
      containers: null,
    });
  });

  test("profiles in detail show containers", async () => {
    const { body } = await anonymous("GET", "/v1/profiles?detail=yes");
    expect(body.items[0].containers).toEqual([
      {
        name: "primary",
        runtime_type: "ship",
        capabilities: ["filesystem", "python", "shell"],
        resources: { cpus: 1, memory: "1g" },
      },
    ]);
    expect(body.items[3]).toMatchObject({
      description: "two containers",
      image: "ship",
      containers: [{ name: "ship" }, { name: "helper", runtime_type: "gull" }],
    });
  });

  test.each([
    ["no header", ""],
    ["a wrong key", "Bearer nope"],
    ["an empty key", "Bearer "],
    ["the wrong scheme", `Basic ${KEY}`],
    ["a scheme in small letters", `bearer ${KEY}`],
  ])("%s is 401 with the envelope", async (_what, authorization) => {
    const answer = await bay.call("GET", "/v1/sandboxes", undefined, { authorization, "x-request-id": "my-id" });
    expect(answer).toMatchObject({
      status: 401,
      body: { error: { code: "unauthorized", message: expect.any(String), request_id: "my-id" } },
    });
    expect(answer.headers.get("x-request-id")).toBe("my-id");
    expect(answer.body.error).not.toHaveProperty("details");
  });

  test("a request without an id gets one", async () => {
    expect((await bay.call("GET", "/v1/sandboxes")).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("checks come in the contract's order", async () => {
    const broken = '{"code": ';
    expect(await anonymous("POST", "/v1/sandboxes", broken)).toMatchObject({
      status: 422,
      body: { detail: [{ type: "json_invalid", loc: ["body", expect.any(Number)] }] },
    });
    expect((await anonymous("POST", "/v1/sandboxes", { profile: 1 })).status).toBe(401);
    expect((await bay.call("POST", "/v1/sandboxes/none/python/exec", { code: 1 })).body.error.code).toBe("not_found");
    const only = await bay.sandbox({ profile: "python-only-test" });
    expect((await bay.call("POST", `/v1/sandboxes/${only}/shell/exec`, { command: 1 })).body.error).toMatchObject({
      code: "capability_not_supported",
      details: { capability: "shell", available: ["python"] },
    });
    const id = await bay.sandbox();
    expect((await bay.call("GET", `/v1/sandboxes/${id}/filesystem/files`)).body.detail).toEqual([
      { type: "missing", loc: ["query", "path"], msg: "Field required", input: null },
    ]);
    expect((await bay.call("GET", `/v1/sandboxes/${id}/filesystem/files?path=/etc/passwd`)).body.error).toMatchObject({
      code: "invalid_path",
      details: { field: "path", reason: "absolute_path" },
    });
    expect(bay.driver.count("start")).toBe(0);
  });

  test("a stranger's large body is refused before it is read", async () => {
    expect((await anonymous("POST", "/v1/sandboxes", "{".repeat(100_000))).status).toBe(401);
  });

  test.each([
    ["GET", "/nothing", 404, { detail: "Not Found" }],
    ["GET", "/", 404, { detail: "Not Found" }],
    ["GET", "/metrics", 404, { detail: "Not Found" }],
    ["PUT", "/v1/sandboxes", 405, { detail: "Method Not Allowed" }],
    ["POST", "/health", 405, { detail: "Method Not Allowed" }],
    ["PATCH", "/v1/cargos/x", 405, { detail: "Method Not Allowed" }],
  ])("%s %s is %i", async (method, route, status, body) => {
    const answer = await bay.call(method, route);
    expect(answer).toMatchObject({ status, body });
    if (status === 405) expect(answer.headers.get("allow")).toMatch(/GET/);
  });

  test("HEAD is no method of this API", async () => {
    expect((await fetch(`${bay.url}/health`, { method: "HEAD" })).status).toBe(405);
  });

  test("a trailing slash is redirected", async () => {
    const answer = await bay.call("GET", "/v1/sandboxes/?limit=1");
    expect(answer.status).toBe(307);
    expect(answer.headers.get("location")).toBe(`${bay.url}/v1/sandboxes?limit=1`);
  });

  test.each([
    ["no body", undefined, "missing", ["body"]],
    ["a list", [], "model_attributes_type", ["body"]],
    ["a number", 5, "model_attributes_type", ["body"]],
    ["a profile that is no string", { profile: 1 }, "string_type", ["body", "profile"]],
    ["a fraction", { ttl: 1.5 }, "int_from_float", ["body", "ttl"]],
    ["a word for a number", { ttl: "soon" }, "int_parsing", ["body", "ttl"]],
    ["a list for a number", { ttl: [] }, "int_type", ["body", "ttl"]],
    ["a null profile", { profile: null }, "string_type", ["body", "profile"]],
  ])("creating with %s is 422", async (_what, body, type, loc) => {
    const { status, body: answer } = await bay.call("POST", "/v1/sandboxes", body);
    expect(status).toBe(422);
    expect(answer).toMatchObject({ detail: [{ type, loc, msg: expect.any(String) }] });
    expect(answer.detail[0]).toHaveProperty("input");
  });

  test("a body of another type is no object, bytes that are no UTF-8 are 400", async () => {
    expect(await bay.call("POST", "/v1/sandboxes", "{}", { "content-type": "text/plain" })).toMatchObject({
      status: 422,
      body: { detail: [{ type: "model_attributes_type" }] },
    });
    expect(await bay.call("POST", "/v1/sandboxes", Uint8Array.of(0x7b, 0xff, 0x7d))).toMatchObject({
      status: 400,
      body: { detail: expect.any(String) },
    });
  });

  test("unknown fields are ignored and numbers in strings pass", async () => {
    expect((await bay.call("POST", "/v1/sandboxes", { ttl: "60", unknown: 1, __proto__: 1 })).body.expires_at).toEqual(
      expect.any(String),
    );
    expect((await bay.call("POST", "/v1/sandboxes", { ttl: 60.0 })).status).toBe(201);
  });

  test("a client that still sends a refused body reads its answer, and its connection goes on", async () => {
    const { hostname, port } = new URL(bay.url);
    const socket = connect(Number(port), hostname);
    let out = "";
    socket.on("data", (chunk) => {
      out += chunk.toString("latin1");
    });
    const failed = jest.fn();
    socket.on("error", failed);
    const size = 30_000_000;
    const head = `host: bay\r\nauthorization: Bearer ${KEY}\r\n`;
    socket.write(
      `POST /v1/sandboxes HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: ${size}\r\n\r\n`,
    );
    await until("the refusal", () => /^HTTP\/1\.1 413 /.test(out));
    await new Promise<void>((resolve) => {
      socket.write("x".repeat(size), () => {
        resolve();
      });
    });
    socket.write(`GET /v1/sandboxes HTTP/1.1\r\n${head}\r\n`);
    await until("the answer to the next request", () => out.includes("HTTP/1.1 200 "));
    expect(failed).not.toHaveBeenCalled();
    socket.destroy();
  });

  test("a body over the limit is 413 by name", async () => {
    expect(await bay.call("POST", "/v1/sandboxes", { profile: "x".repeat(300_000) })).toMatchObject({
      status: 413,
      body: { error: { code: "payload_too_large" } },
    });
  });

  test("routes without a JSON body ignore what is sent", async () => {
    const id = await bay.sandbox();
    expect(await bay.call("POST", `/v1/sandboxes/${id}/keepalive`, "{ nonsense")).toMatchObject({
      status: 200,
      body: { status: "ok" },
    });
  });

  test.each([
    ["limit=0", "greater_than_equal"],
    ["limit=201", "less_than_equal"],
    ["limit=x", "int_parsing"],
  ])("listing with %s is 422", async (query, type) => {
    expect(await bay.call("GET", `/v1/sandboxes?${query}`)).toMatchObject({
      status: 422,
      body: { detail: [{ type, loc: ["query", "limit"] }] },
    });
  });
});

describe("Owners", () => {
  test("without a key a permitted stranger acts for X-Owner; a Bearer is still judged", async () => {
    const bay = await startBay({ security: { allow_anonymous: true } });
    try {
      const as = (owner: string, route: string) =>
        bay.call("GET", route, undefined, { authorization: "", "x-owner": owner });
      const { body } = await bay.call("POST", "/v1/sandboxes", {}, { authorization: "", "x-owner": "alice" });
      expect((await as("alice", `/v1/sandboxes/${body.id}`)).status).toBe(200);
      expect((await as("bob", `/v1/sandboxes/${body.id}`)).body.error.code).toBe("not_found");
      expect((await as("bob", `/v1/cargos/${body.cargo_id}`)).status).toBe(404);
      expect((await as("bob", "/v1/sandboxes")).body.items).toEqual([]);
      expect(
        (await bay.call("DELETE", `/v1/sandboxes/${body.id}`, undefined, { authorization: "", "x-owner": "bob" }))
          .status,
      ).toBe(404);
      expect((await bay.call("GET", `/v1/sandboxes/${body.id}`, undefined, { "x-owner": "alice" })).status).toBe(404);
      expect((await bay.call("GET", "/v1/sandboxes", undefined, { authorization: "Bearer nope" })).status).toBe(401);
    } finally {
      await bay.stop();
    }
  });

  test("the key comes from the environment, then the configuration, else a new one is written for its owner only", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "bay-key-"));
    const store = () => new SqliteStore(new Database(":memory:"));
    const without = configSchema.parse({ driver: { type: "k8s" } });
    try {
      const config = configSchema.parse({ driver: { type: "k8s" }, security: { api_key: "from-file" } });
      expect(apiKey(config, { BAY_API_KEY: "from-env" }, store())).toMatchObject({
        key: "from-env",
        source: "environment",
      });
      expect(apiKey(config, {}, store())).toMatchObject({ key: "from-file", source: "configuration" });
      const kept = store();
      const made = apiKey(without, { BAY_DATA_DIR: folder }, kept);
      expect(apiKey(without, { BAY_DATA_DIR: folder }, kept)).toMatchObject({ key: null, source: "database" });
      expect(apiKey(config, {}, kept).source).toBe("configuration");
      expect(kept.apiKeys()).toEqual([
        {
          hash: createHash("sha256").update(made.key!).digest("hex"),
          prefix: made.key!.slice(0, 12),
          owner: "default",
          createdAt: expect.any(Number),
          admin: false,
          lastUsedAt: null,
        },
        expect.objectContaining({ prefix: "from-file" }),
      ]);
      expect(made.key).toMatch(/^sk-bay-[0-9a-f]{64}$/);
      const file = path.join(folder, "credentials.json");
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
        api_key: made.key,
        endpoint: expect.any(String),
        generated_at: expect.any(String),
      });
      expect(() => apiKey(without, { BAY_DATA_DIR: path.join(file, "below-a-file") }, store())).toThrow(/BAY_API_KEY/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("Times", () => {
  test.each([
    [Date.UTC(2026, 0, 2, 3, 4, 5) + 123.456, "2026-01-02T03:04:05.123456"],
    [Date.UTC(2026, 0, 2, 3, 4, 5), "2026-01-02T03:04:05"],
    [Date.UTC(2026, 0, 2, 3, 4, 5) + 0.001, "2026-01-02T03:04:05.000001"],
    [Date.UTC(2026, 0, 2, 3, 4, 5) + 999.9999, "2026-01-02T03:04:06"],
  ])("%d is %s", (ms, text) => {
    expect(isoTime(ms)).toBe(text);
  });

  test("are naive, have six digits or none, and keep their order", () => {
    const times = fc.double({ min: 0, max: 4e12, noNaN: true });
    fc.assert(
      fc.property(times, times, (a, b) => {
        expect(isoTime(a)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$/);
        expect(Math.abs(Date.parse(`${isoTime(a)}Z`) - a)).toBeLessThanOrEqual(1);
        if (a < b) expect(isoTime(a) <= isoTime(b)).toBe(true);
      }),
    );
  });
});
