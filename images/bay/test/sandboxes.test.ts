import { type Bay, startBay, until } from "./support/bay";

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$/);

describe("The life of a sandbox", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterEach(() => {
    bay.driver.failStarts = bay.driver.failVolumes = bay.driver.gate = undefined;
  });
  afterAll(async () => {
    await bay.stop();
  });
  const get = (id: string) => bay.call("GET", `/v1/sandboxes/${id}`);

  test("create gives an idle sandbox with a volume and starts nothing", async () => {
    const starts = bay.driver.count("start");
    const { status, body } = await bay.call("POST", "/v1/sandboxes", {});
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^sandbox-[0-9a-f]{12}$/),
      status: "idle",
      profile: "python-default",
      cargo_id: expect.stringMatching(/^ws-[0-9a-f]{12}$/),
      capabilities: ["python", "shell", "filesystem"],
      created_at: TIME,
      expires_at: null,
      idle_expires_at: null,
      containers: null,
    });
    expect((await get(body.id)).body).toEqual(body);
    expect(bay.driver.volumes).toContain(body.cargo_id);
    expect(bay.driver.count("start")).toBe(starts);
  });

  test("an unknown profile is refused before a volume is made", async () => {
    const volumes = bay.driver.count("volume");
    expect(await bay.call("POST", "/v1/sandboxes", { profile: "none" })).toMatchObject({
      status: 400,
      body: { error: { code: "validation_error", message: expect.stringContaining("none") } },
    });
    expect(await bay.call("POST", "/v1/sandboxes", { cargo_id: "ws-000000000000" })).toMatchObject({
      status: 404,
      body: { error: { code: "not_found" } },
    });
    expect(bay.driver.count("volume")).toBe(volumes);
  });

  test.each([
    ["quota", 429, "quota_exceeded"],
    ["refused", 500, "internal_error"],
  ] as const)("a volume that cannot be made (%s) is %i and leaves nothing", async (failure, status, code) => {
    bay.driver.failVolumes = failure;
    const before = (await bay.call("GET", "/v1/sandboxes?limit=200")).body.items.length;
    expect(await bay.call("POST", "/v1/sandboxes", {})).toMatchObject({
      status,
      body: { error: { code, message: "no volume today" } },
    });
    expect((await bay.call("GET", "/v1/sandboxes?limit=200")).body.items).toHaveLength(before);
  });

  test("the first call starts it, GET then shows it ready with its runtime", async () => {
    const id = await bay.sandbox();
    expect(await bay.python(id, "print(1 + 2)")).toMatchObject({ status: 200, body: { success: true, output: "3" } });
    const { body } = await get(id);
    expect(body).toMatchObject({
      status: "ready",
      idle_expires_at: TIME,
      containers: [
        {
          name: "ship",
          runtime_type: "ship",
          status: "running",
          version: expect.stringMatching(/^\d+\.\d+\.\d+/),
          capabilities: [],
          healthy: true,
        },
      ],
    });
    expect((await bay.call("GET", "/v1/sandboxes?status=ready&limit=200")).body.items).toContainEqual(
      expect.objectContaining({ id, containers: null }),
    );
  });

  test("simultaneous first calls make one session and all succeed", async () => {
    const id = await bay.sandbox();
    const starts = bay.driver.count("start");
    const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => bay.python(id, `print(${n})`)));
    expect(answers.map(({ status, body }) => [status, body.output])).toEqual(
      [1, 2, 3, 4, 5].map((n) => [200, String(n)]),
    );
    expect(bay.driver.count("start")).toBe(starts + 1);
  });

  test("while it starts its status is starting", async () => {
    let open = (): void => undefined;
    bay.driver.gate = new Promise((resolve) => (open = resolve));
    const id = await bay.sandbox();
    const call = bay.python(id, "1");
    await until("the start was asked for", () => bay.driver.calls.at(-1)!.startsWith("start"));
    expect((await get(id)).body).toMatchObject({ status: "starting", containers: null });
    open();
    expect((await call).status).toBe(200);
  });

  test("stop keeps files, loses variables, and can be repeated", async () => {
    const id = await bay.sandbox();
    const { cargo_id } = (await get(id)).body;
    await bay.python(id, "x = 1\nopen('kept.txt', 'w').write('here')");
    const first = [...bay.driver.ships.values()].find(({ spec }) => spec.sandboxId === id)!.spec.id;
    for (let n = 0; n < 3; n++)
      expect(await bay.call("POST", `/v1/sandboxes/${id}/stop`)).toMatchObject({
        status: 200,
        body: { status: "stopped" },
      });
    expect((await get(id)).body).toMatchObject({ status: "idle", cargo_id, idle_expires_at: null, containers: null });
    expect((await bay.python(id, "x")).body.error).toContain("NameError");
    expect((await bay.shell(id, "cat kept.txt")).body.output).toBe("here");
    expect([...bay.driver.ships.values()].find(({ spec }) => spec.sandboxId === id)!.spec.id).not.toBe(first);
  });

  test("delete removes session, volume, history and the sandbox; again it is 204, unknown ones are 404", async () => {
    const id = await bay.sandbox();
    const { cargo_id } = (await get(id)).body;
    await bay.python(id, "1");
    const answers = await Promise.all([
      bay.call("DELETE", `/v1/sandboxes/${id}`),
      bay.call("DELETE", `/v1/sandboxes/${id}`),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([204, 204]);
    expect((await bay.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    expect(bay.driver.volumes).not.toContain(cargo_id);
    expect([...bay.driver.ships.values()].map(({ spec }) => spec.sandboxId)).not.toContain(id);
    for (const route of ["", "/history", "/filesystem/directories"])
      expect((await bay.call("GET", `/v1/sandboxes/${id}${route}`)).status).toBe(404);
    for (const route of ["stop", "keepalive", "python/exec"])
      expect((await bay.call("POST", `/v1/sandboxes/${id}/${route}`, { code: "" })).status).toBe(404);
    expect((await bay.call("DELETE", "/v1/sandboxes/sandbox-000000000000")).body.error.code).toBe("not_found");
  });

  test("a call that waits while the sandbox is deleted is 404 and starts nothing", async () => {
    let open = (): void => undefined;
    const id = await bay.sandbox();
    bay.driver.gate = new Promise((resolve) => (open = resolve));
    const first = bay.python(id, "1");
    await until("the start was asked for", () => bay.driver.calls.at(-1)!.startsWith("start"));
    const deleted = bay.call("DELETE", `/v1/sandboxes/${id}`);
    open();
    await first;
    expect((await deleted).status).toBe(204);
    expect((await bay.python(id, "1")).status).toBe(404);
    expect([...bay.driver.ships.values()].map(({ spec }) => spec.sandboxId)).not.toContain(id);
  });

  test("a dead session is replaced in the same call, under the same name", async () => {
    const id = await bay.sandbox();
    await bay.python(id, "x = 1");
    const [sessionId, { ship }] = [...bay.driver.ships.entries()].find(([, { spec }]) => spec.sandboxId === id)!;
    await ship.stop({ clean: false });
    bay.driver.ships.delete(sessionId); // the cluster knows it
    expect((await bay.python(id, "print('back')")).body).toMatchObject({ success: true, output: "back" });
    expect([...bay.driver.ships.keys()]).toContain(sessionId);
    await bay.driver.ships.get(sessionId)!.ship.stop({ clean: false }); // the cluster does not know it yet
    expect((await bay.python(id, "print('again')")).body).toMatchObject({ success: true, output: "again" });
  });

  test("a session that dies under a call is 502 with the reason, leaves no history row, and the next call works", async () => {
    const id = await bay.sandbox();
    await bay.python(id, "1");
    const { ship } = [...bay.driver.ships.values()].find(({ spec }) => spec.sandboxId === id)!;
    const answer = await bay.python(id, `import os, time\nos.kill(${ship.process.pid!}, 9)\ntime.sleep(60)`);
    expect(answer).toMatchObject({
      status: 502,
      body: {
        error: { code: "ship_error", message: expect.stringContaining("out of memory"), details: { reason: "oom" } },
      },
    });
    expect((await bay.call("GET", `/v1/sandboxes/${id}/history`)).body.total).toBe(1);
    expect((await bay.python(id, "2")).status).toBe(200);
  });

  test.each([
    ["image", 500, "internal_error"],
    ["crashed", 500, "internal_error"],
    ["unschedulable", 503, "session_not_ready"],
    ["quota", 429, "quota_exceeded"],
  ] as const)(
    "a session that cannot start (%s) is %i, the sandbox failed, and the next call tries again under the same name",
    async (failure, status, code) => {
      const id = await bay.sandbox();
      bay.driver.failStarts = failure;
      expect(await bay.python(id, "1")).toMatchObject({
        status,
        body: { error: { code, message: `cannot start: ${failure}`, details: { sandbox_id: id, reason: failure } } },
      });
      expect((await get(id)).body.status).toBe("failed");
      const name = bay.driver.calls.filter((call) => call.startsWith("start")).at(-1);
      bay.driver.failStarts = undefined;
      expect((await bay.python(id, "1")).status).toBe(200);
      expect(bay.driver.calls.filter((call) => call.startsWith("start")).at(-1)).toBe(name);
    },
  );

  test("keepalive moves only the idle clock and starts nothing", async () => {
    const id = await bay.sandbox({ ttl: 600 });
    const before = (await get(id)).body;
    expect(await bay.call("POST", `/v1/sandboxes/${id}/keepalive`)).toMatchObject({
      status: 200,
      body: { status: "ok" },
    });
    expect((await get(id)).body).toEqual({ ...before, idle_expires_at: TIME });
  });

  test("a TTL can be extended, an absent one cannot, an expired one neither", async () => {
    const extend = (id: string, by: unknown, key?: string) =>
      bay.call("POST", `/v1/sandboxes/${id}/extend_ttl`, { extend_by: by }, key ? { "idempotency-key": key } : {});
    const id = await bay.sandbox({ ttl: 600 });
    const before = Date.parse(`${(await get(id)).body.expires_at as string}Z`);
    const first = await extend(id, 60, "extend-1");
    expect(first).toMatchObject({ status: 200, body: { id, status: "idle" } });
    expect(Date.parse(`${first.body.expires_at as string}Z`) - before).toBe(60_000);
    expect((await extend(id, 60, "extend-1")).body).toEqual(first.body);
    expect((await get(id)).body.expires_at).toBe(first.body.expires_at);
    for (const ttl of [null, 0, -5]) {
      expect((await extend(await bay.sandbox({ ttl }), 60)).body.error).toMatchObject({
        code: "sandbox_ttl_infinite",
        details: { sandbox_id: expect.any(String) },
      });
    }
    expect((await extend("sandbox-none", 0)).body.error.code).toBe("validation_error");
    expect((await extend("sandbox-none", 1)).body.error.code).toBe("not_found");
    expect((await extend(id, undefined)).status).toBe(422);
    const short = await bay.sandbox({ ttl: 1 });
    bay.services.context.store.updateSandbox(short, { expiresAt: Date.now() - 1 });
    expect((await get(short)).body.status).toBe("expired");
    expect((await extend(short, 60)).body.error).toMatchObject({
      code: "sandbox_expired",
      details: { sandbox_id: short, expires_at: TIME },
    });
  });

  test("lists come in pages in the order of ids", async () => {
    const made = await Promise.all([1, 2, 3].map(() => bay.sandbox()));
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const { body } = await bay.call("GET", `/v1/sandboxes?limit=2${cursor ? `&cursor=${cursor}` : ""}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual([...new Set(seen)].sort());
    expect(seen).toEqual(expect.arrayContaining(made));
    expect((await bay.call("GET", "/v1/sandboxes?status=nonsense&limit=200")).body.items).toHaveLength(seen.length);
  });
});

describe("Idempotency keys", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterAll(async () => {
    await bay.stop();
  });
  const create = (key: string, body: object = {}, route = "/v1/sandboxes") =>
    bay.call("POST", route, body, { "idempotency-key": key });

  test("the same request gets the same answer, also after the sandbox has gone", async () => {
    const first = await create("same");
    expect(await create("same", { profile: "python-default" })).toMatchObject({ status: 201, body: first.body });
    await bay.call("DELETE", `/v1/sandboxes/${first.body.id as string}`);
    expect((await create("same")).body).toEqual(first.body);
  });

  test("simultaneous first uses all get the first answer and make one sandbox", async () => {
    const volumes = bay.driver.count("volume");
    const answers = await Promise.all(Array.from({ length: 8 }, () => create("race")));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id as string}`)).size).toBe(1);
    expect(bay.driver.count("volume")).toBe(volumes + 1);
  });

  test.each([
    ["another body", "/v1/sandboxes", { profile: "python-only-test" }],
    ["ttl 0 for no ttl", "/v1/sandboxes", { ttl: 0 }],
    ["another route", "/v1/cargos", {}],
  ])("%s under a used key is 409", async (_what, route, body) => {
    await create("used");
    expect((await create("used", body, route)).body.error).toMatchObject({
      code: "conflict",
      details: { key: "used", hint: expect.any(String) },
    });
  });

  test.each(["with space", "x".repeat(129), "slash/", "ü"])("the key %j is refused", async (key) => {
    expect(
      await bay.services.idempotency
        .run({ owner: "o", key, method: "POST", path: "/", body: {} }, () => Promise.resolve({ status: 201, body: {} }))
        .catch((error: unknown) => error),
    ).toMatchObject({ code: "conflict", status: 409, details: { key, hint: expect.any(String) } });
  });

  test("a failure is not kept: the same key can succeed later", async () => {
    bay.driver.failVolumes = "refused";
    expect((await create("later")).status).toBe(500);
    bay.driver.failVolumes = undefined;
    expect((await create("later")).status).toBe(201);
  });

  test("no key and an empty key make two; keys are ignored elsewhere; when switched off they mean nothing", async () => {
    expect(await bay.sandbox()).not.toBe(await bay.sandbox());
    expect((await create("")).body.id).not.toBe((await create("")).body.id);
    const id = await bay.sandbox();
    expect(
      (await bay.call("POST", `/v1/sandboxes/${id}/keepalive`, undefined, { "idempotency-key": "not legal" })).status,
    ).toBe(200);
    const off = await startBay({ idempotency: { enabled: false } });
    try {
      const twice = await Promise.all(
        [1, 2].map(() => off.call("POST", "/v1/sandboxes", {}, { "idempotency-key": "k k" })),
      );
      expect(new Set(twice.map(({ body }) => body.id)).size).toBe(2);
    } finally {
      await off.stop();
    }
  });

  test("an answer is forgotten after its time", async () => {
    const first = await create("old");
    const store = bay.services.context.store;
    const row = store.answer("default", "old", Date.now())!;
    expect(store.answer("default", "old", row.expiresAt + 1)).toBeUndefined();
    expect((await create("old")).body.id).not.toBe(first.body.id);
  });
});
