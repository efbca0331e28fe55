import { DriverError } from "../src/driver/driver";
import { StartQueue } from "../src/services/start-queue";
import { type Bay, startBay, until } from "./support/bay";

/** A promise and what resolves it. */
function gate(): { closed: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const closed = new Promise<void>((resolve) => (open = resolve));
  return { closed, open };
}

describe("Starts of many sandboxes", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay({ driver: { type: "k8s", k8s: { max_parallel_starts: 2 } } });
  });
  afterEach(() => {
    bay.driver.gate = undefined;
  });
  afterAll(async () => {
    await bay.stop();
  });
  const figure = async (name: string): Promise<number> => {
    const { values } = await bay.services.metrics.registry.getSingleMetric(name)!.get();
    return values[0]!.value;
  };

  test("run at once up to the limit, the others in the order in which they came", async () => {
    const { closed, open } = gate();
    bay.driver.gate = closed;
    const ids = await Promise.all(Array.from({ length: 6 }, () => bay.sandbox()));
    const calls: Promise<{ status: number }>[] = [];
    for (const id of ids) {
      calls.push(bay.python(id, "1"));
      await until(
        "the start is under way or waits",
        async () => (await figure("bay_start_queue_length")) + (await figure("bay_starts_running")) === calls.length,
      );
    }
    expect([
      await figure("bay_start_queue_length"),
      await figure("bay_starts_running"),
      bay.driver.count("start"),
    ]).toEqual([4, 2, 2]);
    open();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(ids.map(() => 200));
    const { store } = bay.services.context;
    const order = bay.driver.calls
      .filter((call) => call.startsWith("start"))
      .map((call) => store.session(call.split(" ")[1]!)!.sandboxId);
    expect(order.slice(0, 2).sort()).toEqual(ids.slice(0, 2).sort());
    expect(order.slice(2)).toEqual(ids.slice(2));
    expect([await figure("bay_start_queue_length"), await figure("bay_starts_running")]).toEqual([0, 0]);
  });

  test("that wait do not hold up a delete or a stop of their sandbox", async () => {
    const { closed, open } = gate();
    bay.driver.gate = closed;
    const [first, second, deleted, stopped] = (await Promise.all([1, 2, 3, 4].map(() => bay.sandbox()))) as [
      string,
      string,
      string,
      string,
    ];
    const calls = [first, second, deleted, stopped].map((id) => bay.python(id, "1"));
    await until("two wait", async () => (await figure("bay_start_queue_length")) === 2);
    expect((await bay.call("DELETE", `/v1/sandboxes/${deleted}`)).status).toBe(204);
    expect((await bay.call("POST", `/v1/sandboxes/${stopped}/stop`)).status).toBe(200);
    open();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 404, 200]);
    expect([...bay.driver.ships.values()].map(({ spec }) => spec.sandboxId)).not.toContain(deleted);
  });

  test("give their place on when they fail", async () => {
    const queue = new StartQueue(1);
    const results = await Promise.allSettled([
      queue.run(() => Promise.reject(new Error("no"))),
      queue.run(() => Promise.resolve("yes")),
    ]);
    expect(results).toMatchObject([{ status: "rejected" }, { status: "fulfilled", value: "yes" }]);
    expect([queue.length, queue.running]).toEqual([0, 0]);
  });
});

describe("What meets in one sandbox", () => {
  let bay: Bay;
  beforeAll(async () => {
    bay = await startBay();
  });
  afterEach(() => {
    bay.driver.gate = bay.driver.removalGate = undefined;
  });
  afterAll(async () => {
    await bay.stop();
  });
  const sessionOf = (id: string) => bay.services.context.store.sandbox(id)!.sessionId;
  const collect = async (task: string) =>
    (await bay.call("POST", "/v1/admin/gc/run", { tasks: [task] })).body.results[0];
  const overdue = (id: string): void => {
    bay.services.context.store.updateSandbox(id, { idleExpiresAt: Date.now() - 1 });
  };
  /** A sandbox in which a call runs until `go` is there. */
  const busy = async () => {
    const id = await bay.sandbox();
    await bay.python(id, "1");
    const call = bay.python(
      id,
      "import time, os\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('whole')",
      { timeout: 60 },
    );
    await until("the call runs", async () => (await bay.shell(id, "ls")).body.output.includes("begun"));
    return {
      id,
      call,
      finish: () => {
        bay.driver.write(bay.services.context.store.sandbox(id)!.cargoId, "go");
      },
    };
  };

  test("a delete ends a running call with 502, without a row of history, and nothing comes back", async () => {
    const { id, call } = await busy();
    expect((await bay.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    expect(await call).toMatchObject({ status: 502, body: { error: { code: "ship_error" } } });
    expect(bay.services.context.store.executions(id, {}, 10).total).toBe(0);
    expect([...bay.driver.ships.values()].map(({ spec }) => spec.sandboxId)).not.toContain(id);
  });

  test("a call that comes while the sandbox is deleted is 404 and starts nothing", async () => {
    const id = await bay.sandbox();
    await bay.python(id, "1");
    const { closed, open } = gate();
    bay.driver.removalGate = closed;
    const deleted = bay.call("DELETE", `/v1/sandboxes/${id}`);
    await until("the removal was asked for", () => bay.driver.calls.at(-1)!.startsWith("destroy"));
    const starts = bay.driver.count("start");
    const calls = [1, 2, 3].map(() => bay.python(id, "1"));
    open();
    expect((await deleted).status).toBe(204);
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([404, 404, 404]);
    expect(bay.driver.count("start")).toBe(starts);
  });

  test("a stop ends a running call with 502; calls that come meanwhile share one new session", async () => {
    const { id, call } = await busy();
    const old = sessionOf(id);
    const { closed, open } = gate();
    bay.driver.removalGate = closed;
    const stopped = bay.call("POST", `/v1/sandboxes/${id}/stop`);
    await until("the removal was asked for", () => bay.driver.calls.at(-1)!.startsWith("destroy"));
    const starts = bay.driver.count("start");
    const later = [1, 2, 3].map((n) => bay.python(id, String(n)));
    open();
    expect((await stopped).status).toBe(200);
    expect((await call).status).toBe(502);
    expect((await Promise.all(later)).map(({ status, body }) => [status, body.output])).toEqual([
      [200, "1"],
      [200, "2"],
      [200, "3"],
    ]);
    expect(bay.driver.count("start")).toBe(starts + 1);
    expect(sessionOf(id)).not.toBe(old);
  });

  test("a call that is longer than the idle time is not collected under its feet", async () => {
    const { id, call, finish } = await busy();
    overdue(id);
    expect(await collect("idle_session")).toMatchObject({ cleaned_count: 0, skipped_count: 1, errors: [] });
    finish();
    expect((await call).body.output).toBe("whole");
    expect(await collect("idle_session")).toMatchObject({ cleaned_count: 1, skipped_count: 0 });
    expect((await bay.call("GET", `/v1/sandboxes/${id}`)).body.status).toBe("idle");
  });

  test("a keepalive that comes before the collector saves the session, one that comes too late is kept", async () => {
    const made = await Promise.all([bay.sandbox(), bay.sandbox()]);
    for (const id of made) {
      await bay.python(id, "1");
      overdue(id);
    }
    const [first, second] = bay.services.context.store.sandboxesDue("idleExpiresAt", Date.now()) as [string, string];
    const { closed, open } = gate();
    bay.driver.removalGate = closed;
    const cycle = collect("idle_session");
    await until("the first one is being collected", () => bay.driver.calls.at(-1) === `destroy ${sessionOf(first)}`);
    for (const id of made) expect((await bay.call("POST", `/v1/sandboxes/${id}/keepalive`)).status).toBe(200);
    open();
    expect(await cycle).toMatchObject({ cleaned_count: 1, skipped_count: 1 });
    const get = async (id: string) => (await bay.call("GET", `/v1/sandboxes/${id}`)).body;
    expect(await get(first)).toMatchObject({ status: "idle", idle_expires_at: expect.any(String) });
    expect(await get(second)).toMatchObject({ status: "ready", idle_expires_at: expect.any(String) });
  });

  test("a removal that fails leaves the session as it was", async () => {
    const id = await bay.sandbox();
    await bay.python(id, "x = 41");
    const before = (await bay.call("GET", `/v1/sandboxes/${id}`)).body;
    const spy = jest
      .spyOn(bay.driver, "destroySession")
      .mockRejectedValueOnce(new DriverError("unreachable", "no cluster today"));
    expect(await bay.call("POST", `/v1/sandboxes/${id}/stop`)).toMatchObject({
      status: 500,
      body: { error: { code: "internal_error", details: { reason: "unreachable" } } },
    });
    spy.mockRestore();
    expect((await bay.call("GET", `/v1/sandboxes/${id}`)).body).toEqual(before);
    expect((await bay.python(id, "x + 1")).body.output).toBe("42");
  });
});

describe("Simultaneous first uses of one idempotency key", () => {
  test("all get the first result; when that fails, each tries for itself and one succeeds for all", async () => {
    const bay = await startBay();
    try {
      const use = (key: string, body: object = {}) =>
        Promise.all(
          Array.from({ length: 8 }, () => bay.call("POST", "/v1/sandboxes", body, { "idempotency-key": key })),
        );
      const answers = await use("all");
      expect(new Set(answers.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(1);
      expect(answers[0]!.status).toBe(201);
      expect((await bay.call("GET", "/v1/sandboxes")).body.items).toHaveLength(1);
      const failing = jest
        .spyOn(bay.driver, "createCargo")
        .mockRejectedValueOnce(new DriverError("refused", "only the first"));
      const second = await use("first-fails");
      failing.mockRestore();
      expect(second.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 7 }, () => 201), 500]);
      expect(new Set(second.filter(({ status }) => status === 201).map(({ body }) => body.id)).size).toBe(1);
      const [one, other] = await Promise.all(
        [{}, { ttl: 5 }].map((body) => bay.call("POST", "/v1/sandboxes", body, { "idempotency-key": "two-bodies" })),
      );
      expect([one!.status, other!.status].sort()).toEqual([201, 409]);
    } finally {
      await bay.stop();
    }
  });
});
