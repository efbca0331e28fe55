import { DriverError, type Driver } from "../src/driver/driver";
import type { SessionState } from "../src/store/store";
import { type Bay, startBay, until } from "./support/bay";
import { ShipDriver } from "./support/ship-driver";

describe("When Bay starts again on the records of an earlier one", () => {
  let driver: ShipDriver;
  let bay: Bay;
  beforeEach(async () => {
    driver = new ShipDriver();
    bay = await startBay({}, driver);
  });
  afterEach(async () => {
    await bay.stop();
  });
  /** @param changes What is done to records and cluster while no Bay runs. */
  const restart = async (changes?: (bay: Bay) => void | Promise<void>): Promise<void> => {
    await changes?.(bay);
    await bay.close(1_000);
    bay = await startBay({}, driver);
  };
  const get = async (id: string) => (await bay.call("GET", `/v1/sandboxes/${id}`)).body;
  const sessionOf = (id: string): string => bay.services.context.store.sandbox(id)!.sessionId!;

  test("sandboxes, cargos, history, answers and keys are still there", async () => {
    const cargo = (await bay.call("POST", "/v1/cargos", { size_limit_mb: 7 })).body;
    const keyed = await bay.call(
      "POST",
      "/v1/sandboxes",
      { ttl: 500, cargo_id: cargo.id },
      { "idempotency-key": "kept" },
    );
    const id = keyed.body.id as string;
    await bay.python(id, "x = 41", { tags: "kept" });
    const history = (await bay.call("GET", `/v1/sandboxes/${id}/history`)).body;
    const before = await get(id);
    await restart();
    expect(await get(id)).toEqual(before);
    expect((await bay.call("GET", `/v1/cargos/${cargo.id as string}`)).body).toEqual(cargo);
    expect((await bay.call("GET", `/v1/sandboxes/${id}/history`)).body).toEqual(history);
    expect(
      await bay.call("POST", "/v1/sandboxes", { ttl: 500, cargo_id: cargo.id }, { "idempotency-key": "kept" }),
    ).toMatchObject({ status: 201, body: keyed.body });
    expect((await bay.call("POST", "/v1/sandboxes", { ttl: 501 }, { "idempotency-key": "kept" })).status).toBe(409);
    await bay.call("DELETE", `/v1/sandboxes/${id}`);
    await restart();
    expect((await bay.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    expect((await bay.call("GET", `/v1/sandboxes/${id}`)).status).toBe(404);
  });

  test("a running session is used again, with its variables, at its address of now", async () => {
    const id = await bay.sandbox();
    await bay.python(id, "x = 41");
    const session = sessionOf(id);
    await restart(({ services }) => {
      services.context.store.updateSession(session, { endpoints: { ship: "http://127.0.0.1:1" } });
    });
    expect(await get(id)).toMatchObject({ status: "ready", containers: [{ healthy: true }] });
    expect((await bay.python(id, "x + 1")).body.output).toBe("42");
    expect([sessionOf(id), driver.count("start"), driver.count("destroy")]).toEqual([session, 1, 0]);
  });

  test("a session whose pod has gone is idle, and starts again by its name", async () => {
    const id = await bay.sandbox();
    await bay.shell(id, "echo kept > f");
    const session = sessionOf(id);
    await restart(async () => {
      await driver.destroySession(session);
    });
    expect(await get(id)).toMatchObject({ status: "idle", idle_expires_at: null, containers: null });
    expect((await bay.shell(id, "cat f")).body.output).toBe("kept");
    expect(sessionOf(id)).toBe(session);
  });

  test.each<SessionState>(["pending", "starting", "stopping"])(
    "a session that was %s when Bay ended is idle, its pod removed, and the next call starts it",
    async (state) => {
      const id = await bay.sandbox();
      await bay.python(id, "x = 1");
      const session = sessionOf(id);
      await restart(({ services }) => {
        services.context.store.updateSession(session, { state });
      });
      expect((await get(id)).status).toBe("idle");
      expect([...driver.ships.keys()]).toEqual([]);
      expect((await bay.python(id, "x")).body.error).toContain("NameError");
      expect(driver.count("start")).toBe(2);
    },
  );

  test("pods and managed volumes that it made and no record wants are removed, a client's are not", async () => {
    const own = (await bay.call("POST", "/v1/cargos", {})).body.id as string;
    const alive = await bay.sandbox();
    const { cargo_id: kept } = await get(alive);
    const half = await bay.sandbox();
    await bay.python(half, "1");
    const { cargo_id: lost } = await get(half);
    await driver.strangeVolume("ws-garbage", { origin: bay.services.context.store.nextOrigin() }); // a creation that ended half-way
    await driver.strangeVolume("ws-forgotten", { managed: false, origin: bay.services.context.store.nextOrigin() });
    const unrecorded = "ws-000000000001";
    await restart(
      async ({
        services: {
          context: { store },
        },
      }) => {
        store.updateSandbox(half, { deletedAt: Date.now() }); // a delete that ended half-way
        store.deleteSessionsOf(half);
        store.insertCargo({
          id: unrecorded,
          owner: "default",
          managed: true,
          managedBySandboxId: "sandbox-never",
          sizeLimitMb: 1,
          createdAt: 1,
          lastAccessedAt: 1,
        });
        await driver.strangeVolume(unrecorded);
      },
    );
    expect([...driver.ships.keys()]).toEqual([]);
    expect([...driver.volumes].sort()).toEqual([own, kept, "ws-forgotten"].sort());
    expect(bay.services.context.store.cargo(lost as string)).toBeUndefined();
    expect((await bay.call("GET", `/v1/cargos/${unrecorded}`)).status).toBe(404);
  });

  test("a sandbox whose profile is no longer configured can be seen and removed, not used", async () => {
    const id = await bay.sandbox({ profile: "python-only-test" });
    await bay.python(id, "1");
    await bay.close(1_000);
    bay = await startBay({ profiles: [{ id: "python-default", image: "ship" }] }, driver);
    expect(await get(id)).toMatchObject({
      status: "idle",
      profile: "python-only-test",
      capabilities: [],
      containers: null,
    });
    expect((await bay.call("GET", "/v1/sandboxes")).body.items).toHaveLength(1);
    expect(await bay.python(id, "1")).toMatchObject({
      status: 400,
      body: { error: { code: "validation_error", message: expect.stringContaining("python-only-test") } },
    });
    expect((await bay.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    expect([...driver.ships.keys()]).toEqual([]);
  });

  test("a cluster that cannot be asked yet is asked again, and the records are trusted meanwhile", async () => {
    const id = await bay.sandbox();
    await bay.python(id, "x = 41");
    await driver.strangeVolume("ws-garbage", { origin: bay.services.context.store.nextOrigin() });
    driver.unreachable = true;
    const { recovery } = bay.services;
    await expect(recovery.reconcile()).rejects.toThrow("no cluster today");
    const ending = new AbortController();
    const report = recovery.run(ending.signal);
    expect((await bay.python(id, "x + 1")).body.output).toBe("42");
    driver.unreachable = false;
    expect(await report).toEqual({
      adopted: 1,
      lost: 0,
      removedSessions: 0,
      removedCargos: 1,
      setAside: 0,
      errors: [],
    });
    ending.abort();
    expect(await recovery.run(ending.signal)).toBeUndefined();
  });

  test("what fails to be removed is reported and does not keep Bay from serving", async () => {
    await driver.strangeVolume("ws-garbage", { origin: bay.services.context.store.nextOrigin() });
    const refuse: Driver["deleteCargo"] = () => Promise.reject(new DriverError("refused", "not allowed"));
    const spy = jest.spyOn(driver, "deleteCargo").mockImplementation(refuse);
    expect((await bay.services.recovery.reconcile()).errors).toEqual(["ws-garbage: not allowed"]);
    spy.mockRestore();
  });
});

describe("When Bay is told to end", () => {
  test("a running call ends well, new connections are refused", async () => {
    const bay = await startBay();
    const id = await bay.sandbox();
    await bay.python(id, "1");
    const running = bay.python(
      id,
      "import time, os\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('whole')",
      { timeout: 60 },
    );
    await until("the call runs", async () => (await bay.shell(id, "ls")).body.output.includes("begun"));
    const { cargoId } = bay.services.context.store.sandbox(id)!;
    const closed = bay.close(60_000);
    await until("connections are refused", () =>
      fetch(`${bay.url}/health`).then(
        () => false,
        () => true,
      ),
    );
    bay.driver.write(cargoId, "go");
    expect((await running).body.output).toBe("whole");
    expect(await closed).toBe(true);
    await bay.driver.end();
  });

  test("a call that goes on beyond the limit is cut off", async () => {
    const bay = await startBay();
    const id = await bay.sandbox();
    await bay.python(id, "1");
    const running = bay.python(id, "open('begun', 'w').close()\nimport time; time.sleep(60)", { timeout: 60 }).then(
      () => "answered",
      () => "cut off",
    );
    await until("the call runs", async () => (await bay.shell(id, "ls")).body.output.includes("begun"));
    expect(await bay.close(10)).toBe(false);
    expect(await running).toBe("cut off");
    await bay.driver.end();
  });
});
