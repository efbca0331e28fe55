import { connect } from "node:net";
import { LATEST } from "../src/ids";
import { Database } from "../src/store/database";
import { MIGRATIONS } from "../src/store/migrations";
import { SqliteStore } from "../src/store/sqlite";
import { type Bay, KEY, startBay } from "./support/bay";
import { ShipDriver } from "./support/ship-driver";
import path from "node:path";

/** Sends bytes as they are and gives the status of the answer; "closed" without one. */
async function raw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  return new Promise((resolve) => {
    let out = "";
    const done = (): void => {
      socket.destroy();
      resolve(/^HTTP\/1\.1 (\d+)/.exec(out)?.[1] ?? "closed");
    };
    socket.on("data", (chunk) => {
      out += chunk.toString("latin1");
      if (out.includes("\r\n\r\n")) done();
    });
    socket.once("close", done);
    socket.once("error", done);
    socket.write(text, "latin1");
  });
}

const NUMBERS = [
  "1e999",
  "-1e999",
  "1e308",
  "9007199254740993",
  "-9007199254740993",
  "1e21",
  '"1e5"',
  `"${"9".repeat(500)}"`,
  '"NaN"',
  "true",
  "{}",
  "[[]]",
  '""',
  '"\\u0000"',
];
const TEXTS = [
  '"\\u0000"',
  '"\\ud800"',
  `"${"x".repeat(10_000)}"`,
  `"${"\\n".repeat(500)}"`,
  "{}",
  "[]",
  "1e999",
  "null",
  '"__proto__"',
  '"constructor"',
  '"\'\\""',
  '"../../x"',
];

describe("What Bay is given", () => {
  let bay: Bay;
  let id: string;
  let execution: string;
  beforeAll(async () => {
    bay = await startBay();
    id = await bay.sandbox();
    execution = (await bay.python(id, "1")).body.execution_id;
  });
  afterAll(async () => {
    await bay.stop();
  });

  /** Everything that a call could make. */
  const made = (): object => {
    const { store } = bay.services.context;
    return {
      sandboxes: store.countSandboxes("default"),
      cargos: store.countCargos("default"),
      volumes: bay.driver.volumes.size,
      skills: store.skills.count("default"),
      history: store.historySizeOf(id),
      starts: bay.driver.count("start"),
    };
  };
  /** Sends a body; a refusal must have made nothing, and what was accepted must not break the lists. */
  const holds = async (method: string, route: string, given?: string): Promise<void> => {
    const before = made();
    const { status, body } = await bay.call(method, route, given);
    // 502: the runtime refused it, by name.
    expect(`${method} ${route} ${given?.slice(0, 80)}: ${status} ${body.error?.code}`).toMatch(
      /: ([234]\d\d .*|502 ship_error)$/,
    );
    if (status >= 400) expect(made()).toEqual(before);
  };
  afterEach(async () => {
    for (const list of [
      "/v1/sandboxes",
      "/v1/cargos?managed=true",
      "/v1/cargos",
      `/v1/sandboxes/${id}/history`,
      "/v1/skills/candidates",
      "/v1/skills/releases",
    ]) {
      expect([list, (await bay.call("GET", list)).status]).toEqual([list, 200]);
    }
  });

  test.each(NUMBERS)("the number %s is taken or refused, and breaks nothing", async (value) => {
    await holds("POST", "/v1/sandboxes", `{"ttl":${value}}`);
    await holds("POST", "/v1/cargos", `{"size_limit_mb":${value}}`);
    await holds("POST", `/v1/sandboxes/${id}/python/exec`, `{"code":"1","timeout":${value}}`);
    await holds("POST", `/v1/skills/candidates/none/evaluate`, `{"passed":true,"score":${value}}`);
    const withEnd = await bay.sandbox({ ttl: 600 });
    await holds("POST", `/v1/sandboxes/${withEnd}/extend_ttl`, `{"extend_by":${value}}`);
    const text = encodeURIComponent(value.replaceAll('"', ""));
    for (const query of [
      "sandboxes?limit=",
      "cargos?limit=",
      "skills/candidates?offset=",
      `sandboxes/${id}/history?offset=`,
      `sandboxes/${id}/history?limit=`,
    ])
      await holds("GET", `/v1/${query}${text}`);
  });

  test.each(TEXTS)("the text %s is taken or refused, and breaks nothing", async (value) => {
    await holds("POST", "/v1/sandboxes", `{"profile":${value}}`);
    await holds("POST", "/v1/sandboxes", `{"cargo_id":${value}}`);
    await holds(
      "PATCH",
      `/v1/sandboxes/${id}/history/${execution}`,
      `{"description":${value},"tags":${value},"notes":${value}}`,
    );
    await holds("PUT", `/v1/sandboxes/${id}/filesystem/files`, `{"path":${value},"content":"x"}`);
    await holds("PUT", `/v1/sandboxes/${id}/filesystem/files`, `{"path":"x","content":${value}}`);
    await holds("POST", `/v1/sandboxes/${id}/shell/exec`, `{"command":${value},"cwd":${value},"timeout":5}`);
    await holds("POST", "/v1/skills/payloads", `{"payload":{"x":${value}},"kind":${value}}`);
    await holds(
      "POST",
      "/v1/skills/candidates",
      `{"skill_key":${value},"source_execution_ids":[${value}],"summary":${value},"preconditions":${value}}`,
    );
    await holds(
      "POST",
      "/v1/skills/candidates",
      `{"skill_key":${value},"source_execution_ids":["${execution}"],"summary":${value},"preconditions":${value}}`,
    );
    await holds("POST", "/v1/admin/gc/run", `{"tasks":[${value}]}`);
    await holds("POST", "/v1/sandboxes", `{"__proto__":${value},"constructor":${value}}`);
  });

  test.each([
    "%00",
    "%22%27%22",
    "%22".repeat(300),
    "%",
    "%ff",
    "%zz",
    "x".repeat(4000),
    "&".repeat(3000),
    "a=1&".repeat(2500),
    "limit=1&".repeat(1500),
    "cursor[]=1&cursor[a]=2",
    "=",
    "%F0%9F%98%80",
    "__proto__=1&constructor=2",
    "\\",
  ])("the query %s is taken or refused", async (text) => {
    for (const list of [
      "sandboxes?",
      "cargos?",
      `sandboxes/${id}/history?`,
      "skills/candidates?",
      "skills/releases?",
      "profiles?",
    ]) {
      for (const name of [
        "",
        "cursor=",
        "limit=",
        "status=",
        "tags=",
        "exec_type=",
        "managed=",
        "skill_key=",
        "detail=",
      ]) {
        const { status } = await bay.call("GET", `/v1/${list}${name}${text}`);
        expect([list, name, status, [200, 400, 422].includes(status)]).toEqual([list, name, status, true]);
      }
    }
    expect((await bay.call("GET", `/v1/sandboxes/${id}/filesystem/files?path=${text}`)).status).not.toBe(500);
  });

  test("a search of thousands of tags is one", async () => {
    await bay.python(id, "1", { tags: "t7" });
    const { status, body } = await bay.call(
      "GET",
      `/v1/sandboxes/${id}/history?tags=${Array.from({ length: 1_300 }, (_, n) => n).join(",")},T7`,
    );
    expect([status, body.entries.length > 0]).toEqual([200, true]);
  });

  test.each([
    "%00",
    "x%00y",
    "%ff",
    "%",
    "a%2fb",
    "%22",
    "x".repeat(490),
    "x".repeat(600),
    "\\",
    "*",
    "%F0%9F%98%80",
    " ",
  ])("the name %s in a path is nothing's", async (name) => {
    for (const route of [
      "sandboxes/X",
      "cargos/X",
      "sandboxes/X/history",
      `sandboxes/${id}/history/X`,
      "skills/payloads/X",
      "skills/payloads/blob:X",
      "skills/candidates/X",
      "skills/releases/X/health",
    ]) {
      for (const method of ["GET", "DELETE", "PATCH", "HEAD", "OPTIONS", "PUT"]) {
        const { status } = await fetch(`${bay.url}/v1/${route.replace("X", name)}`, {
          method,
          headers: { authorization: `Bearer ${KEY}` },
        });
        expect([route, method, status, status < 500]).toEqual([route, method, status, true]);
      }
    }
  });

  test("an id is not found by what comes before a NUL", async () => {
    expect((await bay.call("GET", `/v1/sandboxes/${id}%00x`)).status).toBe(404);
    expect((await bay.call("GET", `/v1/sandboxes/${id}/history/${execution}%00x`)).status).toBe(404);
  });

  test("a time to live of any length is kept as the last date there is", async () => {
    for (const ttl of [1e300, Number.MAX_SAFE_INTEGER, 253_402_300_800]) {
      const { status, body } = await bay.call("POST", "/v1/sandboxes", { ttl });
      expect([status, body.expires_at]).toEqual([201, "9999-12-31T23:59:59"]);
      expect(await bay.call("POST", `/v1/sandboxes/${body.id}/extend_ttl`, { extend_by: 1e300 })).toMatchObject({
        status: 200,
        body: { expires_at: "9999-12-31T23:59:59" },
      });
      expect((await bay.call("DELETE", `/v1/sandboxes/${body.id}`)).status).toBe(204);
    }
  });

  test("what is too long is told by name, and a refusal does not repeat it", async () => {
    const notes = await bay.call("PATCH", `/v1/sandboxes/${id}/history/${execution}`, { notes: "n".repeat(70_000) });
    expect([notes.status, JSON.stringify(notes.body).length < 1_500, notes.body.detail[0]]).toEqual([
      422,
      true,
      expect.objectContaining({ type: "string_too_long", loc: ["body", "notes"], ctx: { max_length: 65_536 } }),
    ]);
    const list = await bay.call("POST", "/v1/sandboxes", { profile: Array.from({ length: 40_000 }, () => 1) });
    expect([list.status, JSON.stringify(list.body).length < 1_500]).toEqual([422, true]);
    expect(
      (
        await bay.call(
          "POST",
          "/v1/sandboxes",
          Array.from({ length: 20_000 }, () => "abc"),
        )
      ).status,
    ).toBe(422);
  });

  test.each([
    ["deep", `{"payload":${"[".repeat(20_000)}${"]".repeat(20_000)}}`, 422],
    ["many", `{"payload":[${"[],".repeat(60_000)}[]]}`, 413],
    ["deep and without an end", "[".repeat(150_000), 422],
  ])("a body that is %s is refused", async (_what, body, expected) => {
    for (const route of ["/v1/skills/payloads", "/v1/sandboxes", `/v1/sandboxes/${id}/python/exec`])
      expect((await bay.call("POST", route, body)).status).toBe(expected);
  });

  test.each([
    ["JSON that says it is multipart", "{}", "multipart/form-data"],
    ["JSON with a boundary", "{}", "multipart/form-data; boundary=x"],
    ["a very long boundary", "{}", `multipart/form-data; boundary=${"x".repeat(3000)}`],
    ["no body", "", "multipart/form-data; boundary=x"],
    ["half a part", '--x\r\ncontent-disposition: form-data; name="path"\r\n\r\nab', "multipart/form-data; boundary=x"],
    [
      "half a file",
      '--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nab',
      "multipart/form-data; boundary=x",
    ],
    [
      "many fields",
      Array.from({ length: 50 }, (_, n) => `--x\r\ncontent-disposition: form-data; name="f${n}"\r\n\r\n1\r\n`).join(
        "",
      ) + "--x--",
      "multipart/form-data; boundary=x",
    ],
    [
      "a name of a prototype",
      '--x\r\ncontent-disposition: form-data; name="__proto__"\r\n\r\n1\r\n--x--',
      "multipart/form-data; boundary=x",
    ],
    ["a part without a name", "--x\r\n\r\n1\r\n--x--\r\n", "multipart/form-data; boundary=x"],
    ["a form of a page", "file=1&path=2", "application/x-www-form-urlencoded"],
    [
      "a path of 60,000",
      `--x\r\ncontent-disposition: form-data; name="path"\r\n\r\n${"p".repeat(60_000)}\r\n--x--`,
      "multipart/form-data; boundary=x",
    ],
  ])("an upload of %s is refused", async (_what, body, type) => {
    const { status } = await bay.call("POST", `/v1/sandboxes/${id}/filesystem/upload`, body, { "content-type": type });
    expect([400, 413, 422]).toContain(status);
  });

  test.each([
    ["an upgrade", "connection: upgrade\r\nupgrade: websocket\r\n", "200"],
    ["a lying length", "content-length: 3\r\ncontent-length: 4\r\n", "400"],
    ["both lengths", "transfer-encoding: chunked\r\n", "400"],
    ["a huge header", `x: ${"a".repeat(20_000)}\r\n`, "431"],
    ["a long request id", `x-request-id: ${"a".repeat(9_000)}\r\n`, "200"],
    ["a request id that no header can have", "x-request-id: \x80\xff\r\n", "200"],
    ["an odd type", "content-type: \x80/;;\r\n", "415"],
    ["an expectation", "expect: 1\r\n", "417"],
    ["two keys", "authorization: Bearer other\r\n", "200"],
    ["an unknown encoding", "content-encoding: zstd\r\n", "200"],
  ])("a call with %s is answered %#", async (_what, header, expected) => {
    const body = '{"code":"1"}';
    expect(
      await raw(
        bay.url,
        `POST /v1/sandboxes/${id}/python/exec HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-length: ${body.length}\r\n${header}\r\n${body}`,
      ),
    ).toBe(expected);
  });

  test.each([
    ["TRACE /v1/sandboxes", "405"],
    ["OPTIONS /v1/sandboxes", "405"],
    ["OPTIONS *", "404"],
    ["CONNECT x:1", "closed"],
    ["BOGUS /v1/sandboxes", "400"],
    ["GET http://other/v1/sandboxes", "200"],
    ["GET //v1//sandboxes", "404"],
    ["GET /v1/sandboxes/../../health", "404"],
    ["PRI *", "400"],
  ])("%s is %s", async (line, expected) => {
    expect(await raw(bay.url, `${line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\n\r\n`)).toBe(expected);
  });
});

describe("An owner", () => {
  test("has a name that can be kept, and so many sandboxes and cargos", async () => {
    const bay = await startBay({
      security: { allow_anonymous: true },
      limits: { sandboxes_per_owner: 2, cargos_per_owner: 1, skill_records_per_owner: 1 },
    });
    try {
      const as = (owner: string, method: string, route: string, body?: object) =>
        bay.call(method, route, body, { authorization: "", "x-owner": owner });
      expect(await as("o".repeat(300), "GET", "/v1/sandboxes")).toMatchObject({
        status: 422,
        body: { detail: [{ loc: ["header", "x-owner"] }] },
      });
      const answers = await Promise.all(Array.from({ length: 4 }, () => as("a", "POST", "/v1/sandboxes", {})));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429]);
      const refused = answers.find(({ status }) => status === 429)!;
      expect([refused.body.error.code, refused.body.error.details.reason, refused.headers.get("retry-after")]).toEqual([
        "quota_exceeded",
        "sandboxes",
        "1",
      ]);
      expect((await as("b", "POST", "/v1/sandboxes", {})).status).toBe(201);
      expect([
        (await as("a", "POST", "/v1/cargos", {})).status,
        (await as("a", "POST", "/v1/cargos", {})).status,
      ]).toEqual([201, 429]);
      expect([
        (await as("a", "POST", "/v1/skills/payloads", { payload: {} })).status,
        (await as("a", "POST", "/v1/skills/payloads", { payload: {} })).status,
      ]).toEqual([201, 429]);
      const { id } = answers.find(({ status }) => status === 201)!.body;
      expect((await as("a", "DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
      expect((await as("a", "POST", "/v1/sandboxes", {})).status).toBe(201);
    } finally {
      await bay.stop();
    }
  });

  test("cannot fill the database: what would stay is refused, what is there can be deleted", async () => {
    const bay = await startBay({ database: { max_mb: 1 } });
    try {
      const id = await bay.sandbox();
      let status = 201;
      for (let n = 0; n < 30 && status === 201; n += 1)
        ({ status } = await bay.call("POST", "/v1/skills/payloads", { payload: { text: "x".repeat(100_000) } }));
      expect(status).toBe(429);
      expect((await bay.call("POST", "/v1/sandboxes", {})).body.error).toMatchObject({
        code: "quota_exceeded",
        details: { reason: "database_full" },
      });
      expect((await bay.call("GET", "/v1/sandboxes")).body.items).toHaveLength(1);
      expect((await bay.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    } finally {
      await bay.stop();
    }
  });
});

describe("A database of before", () => {
  test("heals: records that cannot be shown are shown as broken, break no list, and can be deleted", async () => {
    const driver = new ShipDriver();
    const file = path.join(driver.folder, "bay.db");
    const old = new Database(file, MIGRATIONS.slice(0, 2));
    const sandbox = (id: string, more: string): void => {
      old.run(`INSERT INTO sandboxes VALUES ('${id}', 'default', 'python-default', 'ws-none', 1, ${more})`);
    };
    sandbox("sandbox-fine", "NULL, NULL, NULL, NULL");
    sandbox("sandbox-late", "1e303, 1e300, NULL, NULL");
    sandbox("sandbox-endless", "9e999, 9e999, NULL, NULL");
    sandbox("sandbox-early", "-1e300, -9e999, NULL, NULL");
    sandbox("sandbox-session", "NULL, NULL, 'sess-broken', NULL");
    old.run(
      "INSERT INTO sessions VALUES ('sess-broken', 'sandbox-session', 'none', 'ws-none', 'stopped', '{half', 1e300)",
    );
    old.run("INSERT INTO cargos VALUES ('ws-broken', 'default', 0, NULL, 1, 1e300, -1e300)");
    const execution = (id: string, values: string): void => {
      old.run(
        `INSERT INTO executions (id, sandbox_id, session_id, type, code, success, time_ms, output, error, description, tags, tags_folded, notes, created_at, size) VALUES ('${id}', 'sandbox-fine', NULL, 'python', ${values})`,
      );
    };
    execution("exec-fine", `'"1"', 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, 1, 1`);
    execution("exec-broken", `'{half', 1, 1, 'no', NULL, NULL, NULL, NULL, NULL, 1e300, 1`);
    execution(
      "exec-notes",
      `'"1"', 1, 1, NULL, NULL, NULL, NULL, NULL, json_quote(printf('%.*c', 3000000, 'n')), 1, 1`,
    );
    old.run(
      "INSERT INTO skill_candidates (id, owner, skill_key, skill_type, source_execution_ids, status, created_at, updated_at) VALUES ('sc-broken', 'default', '{half', 'code', '[', 'odd', 1e300, -1e300)",
    );
    old.run(
      "INSERT INTO skill_releases (id, owner, skill_key, candidate_id, version, stage, is_active, promoted_at) VALUES ('sr-broken', 'default', '{half', 'sc-none', 1, 'odd', 1, 1e300)",
    );
    old.close();

    const bay = await startBay({}, driver);
    try {
      const {
        body: { items },
      } = await bay.call("GET", "/v1/sandboxes");
      expect(items.map(({ id, status }: { id: string; status: string }) => [id, status])).toEqual([
        ["sandbox-early", "expired"],
        ["sandbox-endless", "idle"],
        ["sandbox-fine", "idle"],
        ["sandbox-late", "idle"],
        ["sandbox-session", "failed"],
      ]);
      expect(items[1].expires_at).toBe("9999-12-31T23:59:59");
      const { store } = bay.services.context;
      expect([
        store.sandbox("sandbox-late")!.expiresAt,
        store.execution("sandbox-fine", "exec-notes")!.notes!.length,
      ]).toEqual([LATEST, 65_536]);
      expect(store.historySizeOf("sandbox-fine")).toBeGreaterThan(65_536);
      const history = await bay.call("GET", "/v1/sandboxes/sandbox-fine/history");
      expect(
        history.body.entries.map(({ id, success, error }: { id: string; success: boolean; error: string }) => [
          id,
          success,
          error,
        ]),
      ).toEqual([
        ["exec-notes", true, null],
        ["exec-broken", false, "this record cannot be read"],
        ["exec-fine", true, null],
      ]);
      for (const list of ["/v1/cargos", "/v1/skills/candidates", "/v1/skills/releases"])
        expect(await bay.call("GET", list)).toMatchObject({ status: 200 });
      for (const { id } of items)
        expect([
          id,
          (await bay.call("GET", `/v1/sandboxes/${id}`)).status,
          (await bay.call("DELETE", `/v1/sandboxes/${id}`)).status,
        ]).toEqual([id, 200, 204]);
      expect((await bay.call("DELETE", "/v1/cargos/ws-broken")).status).toBe(204);
      expect((await bay.call("DELETE", "/v1/skills/releases/sr-broken")).status).toBe(200);
      expect((await bay.call("DELETE", "/v1/skills/candidates/sc-broken")).status).toBe(200);
    } finally {
      await bay.stop();
    }
  });

  test("keeps nothing that is of another type than it says", () => {
    const store = new SqliteStore(new Database(":memory:"), { history: 100_000 });
    const row = {
      id: "e1",
      sandboxId: "s",
      sessionId: null,
      type: "python" as const,
      code: "1",
      success: true,
      timeMs: 1,
      output: "one",
      error: null,
      description: null,
      tags: null,
      notes: null,
      createdAt: 1,
    };
    store.insertExecution(row);
    for (const wrong of [
      { error: { length: [] } },
      { error: [] },
      { output: { length: "9" } },
      { timeMs: {} },
      { createdAt: Number.NaN },
    ]) {
      expect(() => {
        store.insertExecution({ ...row, id: "e2", ...wrong } as never);
      }).toThrow(TypeError);
    }
    store.insertExecution({ ...row, id: "e3" });
    expect([store.executions("s", {}, 10).total, store.historySizeOf("s")]).toEqual([2, 2 * (256 + 4)]);
    store.close();
  });
});
