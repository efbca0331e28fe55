import { type Bay, startBay } from "./support/bay";

describe("Skills", () => {
  let bay: Bay;
  let execution: string;
  beforeAll(async () => {
    bay = await startBay({ security: { allow_anonymous: true } });
    execution = (await bay.python(await bay.sandbox(), "print(1)")).body.execution_id as string;
  });
  afterAll(async () => {
    await bay.stop();
  });
  const post = (path: string, body?: object, headers?: Record<string, string>) =>
    bay.call("POST", `/v1/skills${path}`, body, headers);
  const get = (path: string) => bay.call("GET", `/v1/skills${path}`);
  const remove = (path: string, body?: object) => bay.call("DELETE", `/v1/skills${path}`, body);
  const candidate = async (skill_key: string, more: object = {}): Promise<string> =>
    (await post("/candidates", { skill_key, source_execution_ids: [execution], ...more })).body.id as string;
  const passed = async (key: string): Promise<string> => {
    const id = await candidate(key);
    await post(`/candidates/${id}/evaluate`, { passed: true });
    return id;
  };
  const promote = (id: string, body: object = { stage: "stable" }) => post(`/candidates/${id}/promote`, body);

  test("SKILL-1 go from candidate to release, to the next one, and back by a rollback", async () => {
    const given = {
      skill_key: "csv-loader",
      source_execution_ids: [execution],
      scenario_key: "etl",
      payload_ref: "anything",
      summary: "loads",
      usage_notes: "n",
      preconditions: { a: [1] },
      postconditions: { b: null },
    };
    const created = await post("/candidates", given);
    expect(created).toMatchObject({
      status: 201,
      body: {
        ...given,
        id: expect.stringMatching(/^sc-[0-9a-f]{12}$/),
        status: "draft",
        latest_score: null,
        latest_pass: null,
        promotion_release_id: null,
        created_by: "default",
        is_deleted: false,
        delete_reason: null,
      },
    });
    const first = created.body.id as string;
    expect(
      await post(`/candidates/${first}/evaluate`, { passed: true, score: 0.9, benchmark_id: "b", report: "fine" }),
    ).toMatchObject({
      status: 200,
      body: {
        id: expect.stringMatching(/^se-/),
        candidate_id: first,
        benchmark_id: "b",
        score: 0.9,
        passed: true,
        report: "fine",
        evaluated_by: "default",
        created_at: expect.any(String),
      },
    });
    expect((await get(`/candidates/${first}`)).body).toMatchObject({
      status: "evaluating",
      latest_score: 0.9,
      latest_pass: true,
    });
    const one = await promote(first);
    expect(one).toMatchObject({
      status: 200,
      body: {
        id: expect.stringMatching(/^sr-/),
        skill_key: "csv-loader",
        candidate_id: first,
        version: 1,
        stage: "stable",
        is_active: true,
        promoted_by: "default",
        rollback_of: null,
      },
    });
    const second = await passed("csv-loader");
    const upgrade = {
      stage: "canary",
      upgrade_of_release_id: one.body.id,
      upgrade_reason: "faster",
      change_summary: "all of it",
    };
    const two = await promote(second, upgrade);
    expect(two.body).toMatchObject({ version: 2, is_active: true, ...upgrade });
    expect((await get("/releases?skill_key=csv-loader&active_only=true")).body).toMatchObject({
      total: 1,
      items: [{ id: two.body.id }],
    });
    expect((await get(`/candidates/${second}`)).body).toMatchObject({
      status: "promoted_canary",
      promotion_release_id: two.body.id,
    });
    const three = await post(`/releases/${two.body.id as string}/rollback`);
    expect(three).toMatchObject({
      status: 200,
      body: { version: 3, candidate_id: first, stage: "stable", is_active: true, rollback_of: two.body.id },
    });
    expect((await get(`/candidates/${second}`)).body.status).toBe("rolled_back");
    expect(
      (await get("/releases?skill_key=csv-loader")).body.items.map(
        ({ version, is_active }: { version: number; is_active: boolean }) => [version, is_active],
      ),
    ).toEqual([
      [3, true],
      [2, false],
      [1, false],
    ]);
    expect(await post(`/releases/${one.body.id as string}/rollback`)).toMatchObject({
      status: 409,
      body: { error: { code: "conflict", details: { release_id: one.body.id } } },
    });
  });

  test("SKILL-2 lists can be narrowed and paged", async () => {
    const id = await candidate("narrow");
    await candidate("narrow");
    await post(`/candidates/${id}/evaluate`, { passed: false });
    expect((await get("/candidates?skill_key=narrow&status=rejected")).body).toMatchObject({
      total: 1,
      items: [{ id, status: "rejected" }],
    });
    const page = (await get("/candidates?skill_key=narrow&limit=1")).body;
    expect([page.total, page.items.length]).toEqual([2, 1]);
    expect((await get("/candidates?limit=501")).status).toBe(422);
  });

  test("SKILL-3 are not released without a passed evaluation", async () => {
    const id = await candidate("untested");
    expect(await promote(id)).toMatchObject({
      status: 409,
      body: { error: { code: "conflict", details: { candidate_id: id } } },
    });
    await post(`/candidates/${id}/evaluate`, { passed: true });
    await post(`/candidates/${id}/evaluate`, { passed: false });
    expect((await promote(id)).status).toBe(409);
    expect((await get("/releases?skill_key=untested")).body.total).toBe(0);
  });

  test("SKILL-4 SKILL-7 SKILL-8 wrong words and references are refused by name", async () => {
    const id = await passed("words");
    const refused = { status: 400, body: { error: { code: "validation_error" } } };
    expect(await get("/candidates?status=nonsense")).toMatchObject(refused);
    expect(await get("/releases?stage=nonsense")).toMatchObject(refused);
    expect(await promote(id, { stage: "nonsense" })).toMatchObject(refused);
    for (const source_execution_ids of [[], ["exec-000000000000"]])
      expect(await post("/candidates", { skill_key: "k", source_execution_ids })).toMatchObject(refused);
    expect(
      await post(
        "/candidates",
        { skill_key: "k", source_execution_ids: [execution] },
        { authorization: "", "x-owner": "bob" },
      ),
    ).toMatchObject(refused);
    expect(await get("/payloads/s3://bucket/key")).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("Unsupported payload_ref") } },
    });
    expect(await get("/payloads/blob:blob-000000000000")).toMatchObject({
      status: 404,
      body: { error: { code: "not_found" } },
    });
    for (const path of ["/candidates/sc-0", "/releases/sr-0/health"]) expect((await get(path)).status).toBe(404);
    for (const path of ["/candidates/sc-0/evaluate", "/candidates/sc-0/promote", "/releases/sr-0/rollback"])
      expect((await post(path, { passed: true })).status).toBe(404);
    expect(await post(`/candidates/${id}/evaluate`, { score: 1 })).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["body", "passed"] }] },
    });
    expect(await post(`/candidates/${id}/evaluate`, { passed: true, score: "much" })).toMatchObject({
      status: 422,
      body: { detail: [{ type: "float_parsing" }] },
    });
  });

  test("SKILL-5 a release's health is measured by the executions that carry its tag", async () => {
    const sandbox = await bay.sandbox();
    const release = async (outcomes: boolean[]): Promise<string> => {
      const {
        body: { id },
      } = await promote(await passed("measured"));
      for (const good of outcomes)
        await bay.shell(sandbox, good ? "true" : "false", { tags: `release:${id as string},other` });
      return id as string;
    };
    const good = await release(Array.from({ length: 10 }, () => true));
    expect((await get(`/releases/${good}/health`)).body).toMatchObject({
      release_id: good,
      skill_key: "measured",
      samples: 10,
      success_rate: 1,
      error_rate: 0,
      p95_duration: expect.any(Number),
      baseline_samples: 0,
      should_rollback: false,
      healthy: true,
      window_complete: false,
    });
    const bad = await release(Array.from({ length: 10 }, (_, index) => index < 8));
    expect((await get(`/releases/${bad}/health`)).body).toMatchObject({
      samples: 10,
      success_rate: 0.8,
      baseline_success_rate: 1,
      success_drop: expect.closeTo(0.2),
      should_rollback: true,
      healthy: false,
      rollback_reasons: [expect.stringContaining("success rate")],
      thresholds: expect.any(Object),
    });
  });

  test.each([[{ commands: ["open x"], deep: { list: [1, null] } }], [["a", { b: 1 }]], [[]]])(
    "SKILL-6 a payload %j comes back",
    async (payload) => {
      const made = await post("/payloads", { payload, kind: "recipe" });
      expect(made).toMatchObject({
        status: 201,
        body: { payload_ref: expect.stringMatching(/^blob:blob-[0-9a-f]{12}$/), kind: "recipe" },
      });
      const { payload_ref } = made.body;
      expect((await get(`/payloads/${payload_ref as string}`)).body).toEqual({ payload_ref, kind: "recipe", payload });
      expect((await get(`/payloads/${encodeURIComponent(payload_ref as string)}`)).body.payload).toEqual(payload);
      expect(
        (
          await bay.call("GET", `/v1/skills/payloads/${payload_ref as string}`, undefined, {
            authorization: "",
            "x-owner": "bob",
          })
        ).status,
      ).toBe(404);
      expect((await post("/payloads", { payload: "text" })).status).toBe(422);
    },
  );

  test("SKILL-9 an active release can be deleted, its candidate only after it", async () => {
    const id = await passed("deleted");
    const release = (await promote(id)).body.id as string;
    expect(await remove(`/candidates/${id}`)).toMatchObject({
      status: 409,
      body: { error: { code: "conflict", details: { candidate_id: id, release_id: release } } },
    });
    expect(await remove(`/releases/${release}`, { reason: "wrong" })).toMatchObject({
      status: 200,
      body: { id: release, deleted_at: expect.any(String), deleted_by: "default", delete_reason: "wrong" },
    });
    expect((await get(`/candidates/${id}`)).body.promotion_release_id).toBeNull();
    expect((await get("/releases?skill_key=deleted")).body.total).toBe(0);
    expect((await remove(`/releases/${release}`)).status).toBe(404);
    expect((await remove(`/candidates/${id}`)).body).toEqual({
      id,
      deleted_at: expect.any(String),
      deleted_by: "default",
      delete_reason: null,
    });
    expect([
      (await get(`/candidates/${id}`)).status,
      (await remove(`/candidates/${id}`)).status,
      (await get("/candidates?skill_key=deleted")).body.total,
    ]).toEqual([404, 404, 0]);
    expect((await promote(await passed("deleted"))).body.version).toBe(2);
  });
});

describe("The browser's endpoints", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterAll(async () => {
    await bay.stop();
  });

  test.each([
    ["POST", "exec"],
    ["POST", "exec_batch"],
    ["POST", "skills/some/run"],
    ["GET", "traces/blob:blob-1"],
  ])("%s %s is refused by capability and starts nothing", async (method, route) => {
    for (const [profile, available] of [
      ["python-only-test", ["python"]],
      ["lies", []],
    ] as const) {
      const id = await bay.sandbox({ profile });
      expect(
        await bay.call(method, `/v1/sandboxes/${id}/browser/${route}`, method === "POST" ? {} : undefined),
      ).toMatchObject({
        status: 400,
        body: { error: { code: "capability_not_supported", details: { capability: "browser", available } } },
      });
    }
    expect((await bay.call(method, `/v1/sandboxes/sandbox-none/browser/${route}`)).status).toBe(404);
    expect(bay.driver.count("start")).toBe(0);
  });
});

describe("The description of the API", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterAll(async () => {
    await bay.stop();
  });
  const open = (path: string) => bay.call("GET", path, undefined, { authorization: "" });

  test("is open, names every endpoint of the contract, and gives the fields by which requests are read", async () => {
    const { status, body } = await open("/openapi.json");
    expect(status).toBe(200);
    const S = "/v1/sandboxes/{id}";
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining([
        "/health",
        "/v1/profiles",
        "/v1/sandboxes",
        S,
        `${S}/stop`,
        `${S}/keepalive`,
        `${S}/extend_ttl`,
        `${S}/python/exec`,
        `${S}/shell/exec`,
        `${S}/filesystem/files`,
        `${S}/filesystem/directories`,
        `${S}/filesystem/upload`,
        `${S}/filesystem/download`,
        `${S}/history`,
        `${S}/history/last`,
        `${S}/history/{execution}`,
        `${S}/browser/exec`,
        `${S}/browser/exec_batch`,
        `${S}/browser/skills/{skill_key}/run`,
        `${S}/browser/traces/{ref}`,
        "/v1/cargos",
        "/v1/cargos/{id}",
        "/v1/admin/gc/run",
        "/v1/admin/gc/status",
        "/v1/skills/payloads",
        "/v1/skills/payloads/{ref}",
        "/v1/skills/candidates",
        "/v1/skills/candidates/{id}",
        "/v1/skills/candidates/{id}/evaluate",
        "/v1/skills/candidates/{id}/promote",
        "/v1/skills/releases",
        "/v1/skills/releases/{id}",
        "/v1/skills/releases/{id}/health",
        "/v1/skills/releases/{id}/rollback",
      ]),
    );
    expect(body.paths[`${S}/python/exec`].post.requestBody.content["application/json"].schema).toMatchObject({
      required: ["code"],
      properties: { timeout: { type: "integer", minimum: 1, maximum: 300, default: 30 } },
    });
    expect(body.paths["/v1/sandboxes"].get).toMatchObject({
      parameters: [{ name: "limit", required: false }, { name: "cursor" }, { name: "status" }],
      security: [{ key: [] }],
    });
    expect(body.paths["/health"].get).not.toHaveProperty("security");
    const ids = Object.values(body.paths as Record<string, Record<string, { operationId: string }>>).flatMap((path) =>
      Object.values(path).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  test.each(["/docs", "/redoc"])("is there for people at %s, with nothing from elsewhere", async (path) => {
    const { status, headers, body } = await open(path);
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(String(body)).toContain("/v1/sandboxes/{id}/python/exec");
    expect(String(body)).not.toMatch(/https?:\/\//);
  });
});
