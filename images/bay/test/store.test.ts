import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { readDatabaseUrl } from "../src/config/database-url";
import { Database } from "../src/store/database";
import { MIGRATIONS } from "../src/store/migrations";
import { SqliteStore } from "../src/store/sqlite";
import type { ExecutionRow, SandboxRow } from "../src/store/store";

const folder = mkdtempSync(path.join(os.tmpdir(), "bay-store-"));
let count = 0;
const newFile = (): string => path.join(folder, `${count++}.db`);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const sandbox = (id: string, more: Partial<SandboxRow> = {}): SandboxRow => ({
  id,
  owner: "o",
  profileId: "p",
  cargoId: "c",
  createdAt: 1.25,
  expiresAt: null,
  idleExpiresAt: null,
  sessionId: null,
  deletedAt: null,
  ...more,
});
const execution = (id: string, more: Partial<ExecutionRow> = {}): ExecutionRow => ({
  id,
  sandboxId: "s",
  sessionId: null,
  type: "python",
  code: "",
  success: true,
  timeMs: 3,
  output: null,
  error: null,
  description: null,
  tags: null,
  notes: null,
  createdAt: 2.5,
  ...more,
});

describe("Bay's database", () => {
  test("has all of its schema's steps, each noted once", () => {
    const file = newFile();
    for (let start = 1; start <= 2; start += 1) {
      const database = new Database(file);
      expect(database.all("SELECT version, name FROM migrations ORDER BY version")).toEqual(
        MIGRATIONS.map(({ version, name }) => ({ version, name })),
      );
      expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
      expect(database.get<{ journal_mode: string }>("PRAGMA journal_mode")).toMatchObject({ journal_mode: "wal" });
      database.close();
    }
  });

  test("of an older Bay is brought up to date and keeps its rows", () => {
    const file = newFile();
    const old = new Database(file, MIGRATIONS.slice(0, 1));
    const before = new SqliteStore(old);
    before.insertSandbox(sandbox("kept"));
    before.close();
    const database = new Database(file, [
      ...MIGRATIONS,
      { version: MIGRATIONS.length + 1, name: "later", sql: "ALTER TABLE sandboxes ADD COLUMN later TEXT" },
    ]);
    expect(database.version).toBe(MIGRATIONS.length + 1);
    expect(database.get("SELECT id, later FROM sandboxes")).toMatchObject({ id: "kept", later: null });
    database.close();
  });

  test("of a newer Bay is refused, and left as it is", () => {
    const file = newFile();
    new Database(file, [...MIGRATIONS, { version: 999, name: "later", sql: "CREATE TABLE later (a)" }]).close();
    expect(() => new Database(file)).toThrow(
      new RegExp(`${file} has version 999.*newer Bay.*up to ${MIGRATIONS.length}`),
    );
    expect(() => new Database(file)).toThrow("999");
  });

  test("that fails in a step has nothing of that step", () => {
    const file = newFile();
    expect(
      () =>
        new Database(file, [...MIGRATIONS, { version: 99, name: "broken", sql: "CREATE TABLE half (a); NONSENSE" }]),
    ).toThrow(/syntax error/);
    const database = new Database(file);
    expect(database.get("SELECT name FROM sqlite_master WHERE name = 'half'")).toBeUndefined();
    database.close();
  });

  test("that is none, or that cannot be written, is refused with its path", () => {
    const file = newFile();
    writeFileSync(file, "this is no database ".repeat(100));
    expect(() => new Database(file)).toThrow(`the database ${file} cannot be opened: file is not a database`);
    expect(() => new Database(path.join(file, "below", "x.db"))).toThrow(/cannot be opened: ENO/);
  });

  test.each([
    ["sqlite+aiosqlite:///./bay.db", { kind: "file", path: "./bay.db" }],
    ["sqlite+aiosqlite:////var/lib/bay.db", { kind: "file", path: "/var/lib/bay.db" }],
    ["sqlite:///bay.db?timeout=5", { kind: "file", path: "bay.db" }],
    ["/srv/bay.db", { kind: "file", path: "/srv/bay.db" }],
    ["file:/srv/bay.db", { kind: "file", path: "/srv/bay.db" }],
    [":memory:", { kind: "memory" }],
    ["sqlite://", { kind: "memory" }],
    ["sqlite+aiosqlite:///:memory:", { kind: "memory" }],
  ])("the address %s is %j", (url, expected) => {
    expect(readDatabaseUrl(url)).toEqual(expected);
  });

  test.each(["postgresql+asyncpg://host/bay", "mysql://x"])("the address %s is none that Bay can use", (url) => {
    expect(readDatabaseUrl(url)).toBeUndefined();
  });
});

describe("Bay's records", () => {
  test("come back as they were given, whatever they hold", () => {
    const store = new SqliteStore(new Database(newFile()));
    const text = fc.string({ unit: "binary" });
    const time = fc.double({ min: 0, max: 4e12, noNaN: true, noDefaultInfinity: true });
    let id = 0;
    fc.assert(
      fc.property(
        text,
        fc.option(time),
        fc.boolean(),
        fc.option(text),
        fc.dictionary(text, text),
        (word, at, yes, maybe, map) => {
          const name = Buffer.from(word).toString("hex");
          id += 1;
          const row = sandbox(`s${id}`, { owner: name, expiresAt: at, sessionId: maybe === null ? null : name });
          store.insertSandbox(row);
          expect(store.sandbox(row.id)).toEqual(row);
          const session = {
            id: `n${id}`,
            sandboxId: row.id,
            profileId: name,
            cargoId: "ü",
            state: "running" as const,
            endpoints: yes ? map : null,
            createdAt: at ?? 0,
          };
          store.insertSession(session);
          expect(store.session(session.id)).toEqual(session);
          const made = execution(`e${id}`, {
            code: word,
            success: yes,
            output: maybe,
            error: word,
            description: maybe,
            tags: word,
            notes: maybe,
          });
          store.insertExecution(made);
          expect(store.execution("s", made.id)).toEqual(made);
        },
      ),
    );
    store.close();
  });

  test("change in one step or not at all", () => {
    const store = new SqliteStore(new Database(newFile()));
    store.insertSandbox(sandbox("a"));
    expect(() =>
      store.atomically(() => {
        store.updateSandbox("a", { deletedAt: 5 });
        store.atomically(() => {
          store.updateSandbox("a", { owner: "other" });
        });
        throw new Error("in the middle");
      }),
    ).toThrow("in the middle");
    expect(store.sandbox("a")).toEqual(sandbox("a"));
    store.updateSandbox("a", { expiresAt: 7 });
    expect(store.sandbox("a")).toEqual(sandbox("a", { expiresAt: 7 }));
    store.updateSandbox("a", { expiresAt: null });
    expect(store.sandbox("a")).toEqual(sandbox("a"));
    store.close();
  });

  test("tell which sandboxes are due and how many are in which state", () => {
    const store = new SqliteStore(new Database(newFile()));
    for (const [id, expiresAt, deletedAt] of [
      ["late", 10, null],
      ["early", 5, null],
      ["gone", 5, 1],
      ["future", 50, null],
      ["endless", null, null],
    ] as const)
      store.insertSandbox(sandbox(id, { expiresAt, deletedAt }));
    expect(store.sandboxesDue("expiresAt", 20)).toEqual(["early", "late"]);
    expect(store.sandboxesDue("idleExpiresAt", 20)).toEqual([]);
    store.insertSession({
      id: "n",
      sandboxId: "future",
      profileId: "p",
      cargoId: "c",
      state: "running",
      endpoints: {},
      createdAt: 0,
    });
    store.updateSandbox("future", { sessionId: "n" });
    expect(store.sandboxesByState(20)).toEqual(
      expect.arrayContaining([
        { state: null, expired: true, count: 2 },
        { state: "running", expired: false, count: 1 },
        { state: null, expired: false, count: 1 },
      ]),
    );
    store.close();
  });

  test("of the history are searched without regard to case, and counted beyond the page", () => {
    const store = new SqliteStore(new Database(newFile()));
    for (let n = 0; n < 5; n += 1)
      store.insertExecution(execution(`e${n}`, { tags: n % 2 ? "Ünder,Alpha" : null, success: n > 2 }));
    const ids = (filter: object, limit = 10, offset = 0) => {
      const { rows, total } = store.executions("s", filter, limit, { offset });
      return [rows.map(({ id }) => id), total];
    };
    expect(ids({}, 2, 1)).toEqual([["e3", "e2"], 5]);
    expect(ids({ tags: ["üNDER", "nothing"] })).toEqual([["e3", "e1"], 2]);
    expect(ids({ tags: ["%"] })).toEqual([[], 0]);
    store.updateExecution("e0", { tags: "new", notes: "n" });
    expect(ids({ tags: ["NEW"], hasNotes: true })).toEqual([["e0"], 1]);
    expect(ids({ successOnly: true })).toEqual([["e4", "e3"], 2]);
    store.close();
  });

  test("of the history stay below their limit: the oldest go first, over all sandboxes and starts", () => {
    const file = newFile();
    const open = () => new SqliteStore(new Database(file), { history: 10_000 });
    const first = open();
    for (let n = 0; n < 6; n += 1)
      first.insertExecution(execution(`e${n}`, { sandboxId: `s${n % 2}`, output: "x".repeat(2_000) }));
    first.close();
    const second = open();
    second.insertExecution(execution("e6", { sandboxId: "s0", code: "y".repeat(2_000) }));
    expect([second.executions("s0", {}, 10).total, second.executions("s1", {}, 10).total]).toEqual([2, 2]);
    second.insertExecution(execution("huge", { output: "z".repeat(20_000) }));
    expect([
      second.executions("s", {}, 10).total,
      second.executions("s0", {}, 10).total,
      second.executions("s1", {}, 10).total,
    ]).toEqual([1, 0, 0]);
    second.deleteExecutionsOf("s");
    second.insertExecution(execution("after"));
    expect(second.executions("s", {}, 10).total).toBe(1);
    second.close();
  });

  test("of the history keep a million characters of a text and say what is missing", () => {
    const store = new SqliteStore(new Database(":memory:"));
    store.insertExecution(execution("e", { output: "x".repeat(1024 * 1024 + 7) }));
    expect(store.execution("s", "e")!.output!.slice(-40)).toMatch(/x\n… 7 more characters are not kept$/);
    store.close();
  });
});
