import { copyFileSync, rmSync } from "node:fs";
import path from "node:path";
import { type Bay, startBay } from "./support/bay";
import { ShipDriver } from "./support/ship-driver";

const GRACE = 3600;
const realNow = performance.now.bind(performance);

describe("A Bay on a database that does not know the cluster's volumes", () => {
  let driver: ShipDriver;
  let bay: Bay;
  beforeEach(async () => {
    driver = new ShipDriver();
    bay = await startBay({}, driver);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await bay.stop();
  });

  const file = (): string => path.join(driver.folder, "bay.db");
  const loseDatabase = (): void => {
    for (const end of ["", "-wal", "-shm"]) rmSync(file() + end, { force: true });
  };
  /** @param between What happens to the database while no Bay runs. */
  const restart = async (between: () => void, changes: object = {}): Promise<void> => {
    await bay.close(1_000);
    between();
    bay = await startBay(changes, driver);
  };
  const sandbox = async (text: string, body: object = {}): Promise<{ id: string; cargo: string; session: string }> => {
    const id = await bay.sandbox(body);
    await bay.shell(id, `echo ${text} > kept`);
    const { cargoId, sessionId } = bay.services.context.store.sandbox(id)!;
    return { id, cargo: cargoId, session: sessionId! };
  };
  const gc = async (times = 1): Promise<void> => {
    for (let run = 0; run < times; run += 1) expect((await bay.call("POST", "/v1/admin/gc/run")).status).toBe(200);
  };
  const listed = async () => (await bay.call("GET", "/v1/admin/recovery")).body;
  const adopt = async (body: object = {}) => (await bay.call("POST", "/v1/admin/recovery/adopt", body)).body;
  const metric = async (name: string): Promise<string> =>
    (await bay.services.metrics.registry.getSingleMetricAsString(name)).split("\n").slice(2).join("\n");
  /** Lets time pass for Bay's own clock. @param seconds since the test began */
  const pass = (seconds: number): void => {
    jest.spyOn(performance, "now").mockImplementation(() => realNow() + seconds * 1000);
  };

  test("removes none of them and no running pod, however often it collects, and says so", async () => {
    const one = await sandbox("one");
    const two = await sandbox("two");
    await restart(loseDatabase);
    await gc(3);
    expect([...driver.volumes].sort()).toEqual([one.cargo, two.cargo].sort());
    expect([...driver.ships.keys()].sort()).toEqual([one.session, two.session].sort());
    expect([...driver.written.values()].map(({ marked }) => marked)).toEqual([true, true]);
    expect(await metric("bay_set_aside")).toBe('bay_set_aside{kind="volume"} 2\nbay_set_aside{kind="session"} 2');
    const warning = bay.logged.find(({ adopt: how }) => how !== undefined);
    expect(warning).toMatchObject({
      level: 40,
      volumes: expect.arrayContaining([one.cargo, two.cargo]),
      sessions: expect.arrayContaining([one.session]),
      adopt: "POST /v1/admin/recovery/adopt {}",
    });
    const { volumes, items, remove_unknown } = await listed();
    expect([volumes, items.length, remove_unknown]).toEqual([2, 4, false]);
    expect(items).toContainEqual(
      expect.objectContaining({
        kind: "volume",
        id: one.cargo,
        sandbox_id: one.id,
        owner: "default",
        profile: "python-default",
        managed: true,
        removable_in_seconds: null,
      }),
    );
  });

  test("does not even after years: only recovery.remove_unknown lets them go", async () => {
    const { cargo, session } = await sandbox("kept");
    await restart(loseDatabase);
    pass(10 * 365 * 86_400);
    await gc(3);
    expect([driver.volumes.has(cargo), driver.ships.has(session)]).toEqual([true, true]);
  });

  test("gives sandbox, files and running variables back by adoption", async () => {
    const { id, cargo, session } = await sandbox("precious");
    await bay.python(id, "x = 41");
    await restart(loseDatabase, {});
    expect((await bay.call("GET", `/v1/sandboxes/${id}`)).status).toBe(404);
    // The key of the tokens went with the database: without BAY_SESSION_KEY the pod does not know this Bay.
    expect(await adopt({ ttl: 500 })).toEqual({
      adopted: [{ cargo_id: cargo, as: "sandbox", owner: "default", sandbox_id: id, session_id: session }],
      errors: [],
    });
    expect((await bay.call("GET", `/v1/sandboxes/${id}`)).body).toMatchObject({
      id,
      cargo_id: cargo,
      profile: "python-default",
      expires_at: expect.any(String),
    });
    expect((await bay.shell(id, "cat kept")).body.output).toBe("precious");
    expect([...driver.written.values()].map(({ marked }) => marked)).toEqual([false]);
    expect(await metric("bay_set_aside")).toBe('bay_set_aside{kind="volume"} 0\nbay_set_aside{kind="session"} 0');
    expect((await adopt()).adopted).toEqual([]);
    expect((await adopt({ ids: [cargo] })).errors).toEqual([
      { id: cargo, message: expect.stringContaining("is not set aside") },
    ]);
    expect((await bay.call("DELETE", `/v1/sandboxes/${id}`)).status).toBe(204);
    expect([driver.volumes.size, driver.ships.size]).toEqual([0, 0]);
  });

  test("finds the session itself again where the tokens' key is not in the database", async () => {
    await bay.stop();
    driver = new ShipDriver();
    const key = { BAY_SESSION_KEY: "k".repeat(40) };
    bay = await startBay({}, driver, key);
    const { id, session } = await sandbox("precious");
    await bay.python(id, "x = 41");
    await bay.close(1_000);
    loseDatabase();
    bay = await startBay({}, driver, key);
    expect((await adopt()).adopted).toMatchObject([{ session_id: session }]);
    expect((await bay.python(id, "x + 1")).body.output).toBe("42");
    expect(driver.count("start")).toBe(1);
  });

  test("adopts as a cargo when asked to, and for the owner that the volume names", async () => {
    const mine = await sandbox("mine");
    await restart(loseDatabase);
    driver.written.get(mine.cargo)!.owner = "somebody";
    expect(await adopt({ ids: [mine.cargo, "ws-none"], as: "cargo" })).toEqual({
      adopted: [{ cargo_id: mine.cargo, as: "cargo", owner: "somebody", sandbox_id: null, session_id: null }],
      errors: [{ id: "ws-none", message: expect.any(String) }],
    });
    expect(bay.services.context.store.cargo(mine.cargo)).toMatchObject({ owner: "somebody", managed: false });
  });

  test("adopts a client's own cargo, and a volume of an older Bay that names no sandbox", async () => {
    const own = (await bay.call("POST", "/v1/cargos", { size_limit_mb: 7 })).body;
    await restart(loseDatabase);
    await driver.strangeVolume("ws-old");
    expect((await adopt({ ids: ["ws-old"], as: "sandbox" })).errors).toEqual([
      { id: "ws-old", message: expect.stringContaining("does not say which sandbox") },
    ]);
    expect((await adopt()).adopted.map(({ cargo_id, as }: { cargo_id: string; as: string }) => [cargo_id, as])).toEqual(
      expect.arrayContaining([
        [own.id, "cargo"],
        ["ws-old", "cargo"],
      ]),
    );
    expect((await bay.call("GET", `/v1/cargos/${own.id as string}`)).body).toMatchObject({
      id: own.id,
      managed: false,
      size_limit_mb: 7,
    });
    const user = await bay.sandbox({ cargo_id: own.id });
    expect((await bay.shell(user, "echo usable")).body.output).toBe("usable");
  });

  test("an old volume whose sandbox still runs is found by its pod", async () => {
    const { id, cargo, session } = await sandbox("old");
    Object.assign(driver.written.get(cargo)!, { sandboxId: null, profileId: null, origin: null });
    await restart(loseDatabase);
    expect((await adopt()).adopted).toEqual([expect.objectContaining({ sandbox_id: id, session_id: session })]);
  });

  test("a second adoption beside the first makes no second record", async () => {
    await sandbox("once");
    await restart(loseDatabase);
    const [first, second] = await Promise.all([adopt(), adopt()]);
    expect(first.adopted.length + second.adopted.length).toBe(1);
    expect(bay.services.context.store.sandboxesAfter("default", null, 10)).toHaveLength(1);
  });

  test("removes them with recovery.remove_unknown: after the grace time, a share in an hour, never what is in use or a client's", async () => {
    const used = await sandbox("used");
    const own = (await bay.call("POST", "/v1/cargos", {})).body.id as string;
    const recovery = { remove_unknown: true, grace_seconds: GRACE, max_share: 0.2 };
    for (let number = 0; number < 18; number += 1) await driver.strangeVolume(`ws-strange-${number}`);
    await restart(loseDatabase, { recovery });
    await gc(2);
    expect(driver.volumes.size).toBe(20);
    expect(
      (await listed()).items.find(({ id }: { id: string }) => id === "ws-strange-0").removable_in_seconds,
    ).toBeGreaterThan(GRACE - 60);
    pass(GRACE + 1);
    await gc(5);
    expect(driver.volumes.size).toBe(16); // a fifth of twenty
    expect(driver.ships.has(used.session)).toBe(true);
    for (let hour = 2; hour <= 30; hour += 1) {
      pass(GRACE * hour + 10);
      await gc();
    }
    expect([...driver.volumes]).toEqual([own]);
  });

  test("a Bay that was down, or a clock that has jumped, uses up none of the grace time", async () => {
    const recovery = { remove_unknown: true, grace_seconds: GRACE, max_share: 1 };
    await driver.strangeVolume("ws-strange");
    await restart(loseDatabase, { recovery });
    const { store } = bay.services.context;
    const [row] = store.setAside();
    store.saveSetAside({ ...row!, since: row!.since - 10 * GRACE * 1000 }); // by the clock it was met long ago
    await restart(() => undefined, { recovery });
    await gc(3);
    expect(driver.volumes.has("ws-strange")).toBe(true);
    pass(GRACE + 1);
    await gc();
    expect(driver.volumes.has("ws-strange")).toBe(false);
  });

  test("a backup that is older than the cluster: what came after it stays, what it knew is as it was", async () => {
    const before = await sandbox("before");
    const deleted = await sandbox("deleted");
    await bay.call("DELETE", `/v1/sandboxes/${deleted.id}`);
    await bay.close(1_000);
    copyFileSync(file(), `${file()}.backup`);
    bay = await startBay({}, driver);
    const after = await sandbox("after");
    await bay.call("POST", `/v1/sandboxes/${before.id}/stop`);
    await bay.python(before.id, "x = 41"); // a new session, which the backup does not know
    const newer = bay.services.context.store.sandbox(before.id)!.sessionId!;
    await restart(() => {
      loseDatabase();
      copyFileSync(`${file()}.backup`, file());
    });
    await gc(3);
    expect([...driver.volumes].sort()).toEqual([before.cargo, after.cargo].sort());
    expect([...driver.ships.keys()].sort()).toEqual([after.session, newer].sort());
    expect((await bay.python(before.id, "x + 1")).body.output).toBe("42"); // taken over by itself: its sandbox is known
    expect((await listed()).items.map(({ id }: { id: string }) => id).sort()).toEqual(
      [after.cargo, after.session].sort(),
    );
    expect((await adopt()).adopted).toEqual([expect.objectContaining({ sandbox_id: after.id })]);
    expect((await bay.shell(after.id, "cat kept")).body.output).toBe("after");
  });

  test("a backup of the moment in which a sandbox was made does not cost its volume", async () => {
    const made = await sandbox("made");
    const other = await sandbox("other");
    // As it was written before the sandbox's own record: the cargo stands there alone.
    const cargo = bay.services.context.store.cargo(made.cargo)!;
    await restart(loseDatabase);
    bay.services.context.store.insertCargo({ ...cargo, createdAt: 1 });
    await bay.services.recovery.reconcile();
    expect([...driver.volumes].sort()).toEqual([made.cargo, other.cargo].sort());
  });

  test("without the right to label volumes it keeps its list alone, and asks no more", async () => {
    await driver.strangeVolume("ws-a");
    await driver.strangeVolume("ws-b");
    driver.mayMark = false;
    await restart(loseDatabase);
    await gc(2);
    expect(driver.count("mark")).toBe(1);
    expect((await listed()).items).toHaveLength(2);
    expect(bay.logged.filter(({ msg }) => String(msg).includes("may not label"))).toHaveLength(1);
  });

  test("the right database, brought back, takes the marks away and serves as before", async () => {
    const { id, cargo } = await sandbox("kept");
    await bay.close(1_000);
    copyFileSync(file(), `${file()}.right`);
    loseDatabase();
    bay = await startBay({}, driver);
    expect(driver.written.get(cargo)!.marked).toBe(true);
    await restart(() => {
      loseDatabase();
      copyFileSync(`${file()}.right`, file());
    });
    await gc();
    expect(driver.written.get(cargo)!.marked).toBe(false);
    expect((await bay.shell(id, "cat kept")).body.output).toBe("kept");
  });

  test.each([
    ["grace_seconds", -1],
    ["max_share", 0],
    ["max_share", 1.5],
    ["remove_unknown", "maybe"],
  ])("recovery.%s: %s is refused", async (key, value) => {
    await expect(startBay({ recovery: { [key]: value } }, driver)).rejects.toThrow();
  });
});
