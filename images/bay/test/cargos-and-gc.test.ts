import { type Bay, startBay, until } from "./support/bay";

describe("Cargos", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterAll(async () => {
    await bay.stop();
  });
  const make = async (body: object = {}): Promise<string> =>
    (await bay.call("POST", "/v1/cargos", body)).body.id as string;

  test("a client's cargo outlives its sandboxes and is shared by them", async () => {
    const created = await bay.call("POST", "/v1/cargos", { size_limit_mb: 2048 });
    expect(created).toMatchObject({
      status: 201,
      body: {
        id: expect.stringMatching(/^ws-/),
        managed: false,
        managed_by_sandbox_id: null,
        backend: "docker_volume",
        size_limit_mb: 2048,
        created_at: expect.any(String),
        last_accessed_at: expect.any(String),
      },
    });
    const cargo = created.body.id as string;
    const first = await bay.sandbox({ cargo_id: cargo });
    await bay.shell(first, "echo kept > f");
    expect(await bay.call("DELETE", `/v1/cargos/${cargo}`)).toMatchObject({
      status: 409,
      body: { error: { code: "conflict", details: { active_sandbox_ids: [first] } } },
    });
    await bay.call("DELETE", `/v1/sandboxes/${first}`);
    const second = await bay.sandbox({ cargo_id: cargo });
    expect((await bay.shell(second, "cat f")).body.output).toBe("kept");
    await bay.call("DELETE", `/v1/sandboxes/${second}`);
    expect((await bay.call("DELETE", `/v1/cargos/${cargo}`)).status).toBe(204);
    expect((await bay.call("DELETE", `/v1/cargos/${cargo}`)).status).toBe(404);
    expect(bay.driver.volumes).not.toContain(cargo);
  });

  test("a managed cargo can be neither deleted nor borrowed while its sandbox lives", async () => {
    const id = await bay.sandbox();
    const { cargo_id } = (await bay.call("GET", `/v1/sandboxes/${id}`)).body;
    expect((await bay.call("DELETE", `/v1/cargos/${cargo_id as string}`)).body.error).toMatchObject({
      code: "conflict",
      details: { managed_by_sandbox_id: id },
    });
    expect(await bay.call("POST", "/v1/sandboxes", { cargo_id })).toMatchObject({
      status: 409,
      body: { error: { code: "conflict" } },
    });
  });

  test("lists show external ones unless asked for managed ones", async () => {
    const mine = await Promise.all([make(), make(), make()]);
    const managed = (await bay.call("GET", `/v1/sandboxes/${await bay.sandbox()}`)).body.cargo_id as string;
    const ids = async (rest: string): Promise<string[]> =>
      (await bay.call("GET", `/v1/cargos?limit=200${rest}`)).body.items.map((cargo: { id: string }) => cargo.id);
    expect(await ids("")).toEqual(expect.arrayContaining(mine));
    expect(await ids("")).not.toContain(managed);
    expect(await ids("&managed=true")).toContain(managed);
    const page = (await bay.call("GET", "/v1/cargos?limit=2")).body;
    expect(page.items).toHaveLength(2);
    expect(page.next_cursor).toBe(page.items[1].id);
  });

  test.each([[0], [65537], ["x"]])("a size of %j is 422", async (size_limit_mb) => {
    expect((await bay.call("POST", "/v1/cargos", { size_limit_mb })).status).toBe(422);
  });
});

describe("Garbage collection", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterAll(async () => {
    await bay.stop();
  });
  const run = (body?: object) => bay.call("POST", "/v1/admin/gc/run", body);

  test("status names the four tasks", async () => {
    expect((await bay.call("GET", "/v1/admin/gc/status")).body).toEqual({
      enabled: false,
      is_running: false,
      instance_id: "test",
      interval_seconds: 300,
      tasks: {
        idle_session: { enabled: true },
        expired_sandbox: { enabled: true },
        orphan_cargo: { enabled: true },
        orphan_container: { enabled: true },
      },
    });
  });

  test("idle sessions are stopped, expired sandboxes removed, the report can be narrowed", async () => {
    const { store } = bay.services.context;
    const idle = await bay.sandbox();
    const expired = await bay.sandbox({ ttl: 1 });
    const fine = await bay.sandbox({ ttl: 600 });
    for (const id of [idle, expired, fine]) await bay.shell(id, "echo kept > f");
    store.updateSandbox(idle, { idleExpiresAt: Date.now() - 1 });
    store.updateSandbox(expired, { expiresAt: Date.now() - 1 });
    const { body } = await run({ tasks: ["idle_session", "unknown"] });
    expect(body).toEqual({
      results: [{ task_name: "idle_session", cleaned_count: 1, skipped_count: 0, errors: [] }],
      total_cleaned: 1,
      total_errors: 0,
      duration_ms: expect.any(Number),
    });
    expect((await bay.call("GET", `/v1/sandboxes/${idle}`)).body).toMatchObject({
      status: "idle",
      idle_expires_at: null,
    });
    expect((await bay.shell(idle, "cat f")).body.output).toBe("kept");
    expect((await bay.call("GET", `/v1/sandboxes/${expired}`)).status).toBe(404);
    expect((await bay.call("GET", `/v1/sandboxes/${fine}`)).body.status).toBe("ready");
    expect((await run()).body.results.map(({ task_name }: { task_name: string }) => task_name)).toEqual([
      "idle_session",
      "expired_sandbox",
      "orphan_cargo",
      "orphan_container",
    ]);
  });

  test("cargos of deleted sandboxes and sessions nobody knows are collected", async () => {
    const { store, driver } = bay.services.context;
    const id = await bay.sandbox();
    const sandbox = store.sandbox(id)!;
    store.updateSandbox(id, { deletedAt: Date.now() }); // a delete that ended half-way
    const lost = await bay.sandbox();
    await bay.python(lost, "1");
    const session = store.sandbox(lost)!.sessionId!;
    store.deleteSessionsOf(lost);
    const { body } = await run();
    expect(body).toMatchObject({
      total_errors: 0,
      results: expect.arrayContaining([
        expect.objectContaining({ task_name: "orphan_cargo", cleaned_count: 1 }),
        expect.objectContaining({ task_name: "orphan_container", cleaned_count: 1 }),
      ]),
    });
    expect(bay.driver.volumes).not.toContain(sandbox.cargoId);
    expect((await driver.listSessions()).map(({ sessionId }) => sessionId)).not.toContain(session);
  });

  test("a second cycle while one runs is 423", async () => {
    let open = (): void => undefined;
    const list = jest.spyOn(bay.driver, "listSessions").mockReturnValueOnce(
      new Promise(
        (resolve) =>
          (open = () => {
            resolve([]);
          }),
      ),
    );
    const first = run();
    await until("the first cycle runs", async () => (await bay.call("GET", "/v1/admin/gc/status")).body.is_running);
    expect(await run()).toMatchObject({ status: 423, body: { detail: expect.any(String) } });
    open();
    expect((await first).status).toBe(200);
    list.mockRestore();
  });
});
