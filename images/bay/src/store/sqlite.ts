import { randomUUID } from "node:crypto";
import type { Database, Value } from "./database";
import { SkillStore } from "./skills";
import type {
  CargoRow,
  ExecutionFilter,
  ExecutionRow,
  IdempotencyRow,
  KeyRow,
  SandboxClock,
  SandboxRow,
  SessionRow,
  SessionState,
  SetAsideRow,
  Store,
} from "./store";
import { Table } from "../../../common/src/table";
import { upTo } from "./pages";

/** Longest text that the history keeps of a code, an output or an error. */
const TEXT_LIMIT = 1024 * 1024;

/** What a database may hold. Default: no limits. */
export interface StoreLimits {
  /** Characters of the history over all sandboxes; the oldest rows go first. */
  history?: number;
  /** Bytes of the whole database, beyond which `full` is true. */
  size?: number;
}

/** Storage in a SQLite database. */
export class SqliteStore implements Store {
  readonly skills: SkillStore;
  private readonly sandboxes: Table<SandboxRow>;
  private readonly sessions: Table<SessionRow>;
  private readonly cargos: Table<CargoRow>;
  private readonly history: Table<ExecutionRow>;
  private readonly answers: Table<IdempotencyRow>;
  private readonly keys: Table<KeyRow>;
  private readonly aside: Table<SetAsideRow>;
  private historySize: number;
  /** Of this opening of the database: names what is made from now on. */
  private originId: string | undefined;

  constructor(
    private readonly database: Database,
    private readonly limits: StoreLimits = {},
  ) {
    const plain = "plain";
    this.sandboxes = new Table<SandboxRow>(
      database,
      "sandboxes",
      {
        id: plain,
        owner: plain,
        profileId: plain,
        cargoId: plain,
        createdAt: plain,
        expiresAt: plain,
        idleExpiresAt: plain,
        sessionId: plain,
        deletedAt: plain,
      },
      "id",
    );
    this.sessions = new Table<SessionRow>(
      database,
      "sessions",
      {
        id: plain,
        sandboxId: plain,
        profileId: plain,
        cargoId: plain,
        state: plain,
        endpoints: "json",
        createdAt: plain,
      },
      "id",
    );
    this.cargos = new Table<CargoRow>(
      database,
      "cargos",
      {
        id: plain,
        owner: plain,
        managed: "boolean",
        managedBySandboxId: plain,
        sizeLimitMb: plain,
        createdAt: plain,
        lastAccessedAt: plain,
      },
      "id",
    );
    this.history = new Table<ExecutionRow>(
      database,
      "executions",
      {
        id: plain,
        sandboxId: plain,
        sessionId: plain,
        type: plain,
        code: "json",
        success: "boolean",
        timeMs: plain,
        output: "json",
        error: "json",
        description: "json",
        tags: "json",
        notes: "json",
        createdAt: plain,
      },
      "id",
    );
    this.answers = new Table<IdempotencyRow>(
      database,
      "answers",
      { owner: plain, key: plain, fingerprint: plain, status: plain, body: plain, expiresAt: plain },
      "key",
    );
    this.keys = new Table<KeyRow>(
      database,
      "api_keys",
      {
        hash: plain,
        prefix: plain,
        owner: plain,
        createdAt: plain,
        admin: "boolean",
        lastUsedAt: plain,
      },
      "hash",
    );
    this.aside = new Table<SetAsideRow>(
      database,
      "set_aside",
      { id: plain, kind: plain, since: plain, waitedMs: plain },
      "id",
    );
    this.skills = new SkillStore(database);
    this.historySize = this.measureHistory();
    this.trimHistory(null);
  }

  get full(): boolean {
    return this.database.size > (this.limits.size ?? Infinity);
  }
  atomically<T>(work: () => T): T {
    return this.database.atomically(work);
  }
  close(): void {
    this.database.close();
  }

  insertSandbox(row: SandboxRow): void {
    this.sandboxes.insert(row);
  }
  sandbox(id: string): SandboxRow | undefined {
    return this.sandboxes.find(id);
  }
  updateSandbox(id: string, changes: Partial<SandboxRow>): void {
    this.sandboxes.update(id, changes);
  }
  sandboxesAfter(owner: string, cursor: string | null, limit: number): SandboxRow[] {
    return this.sandboxes.select(
      "owner = ? AND deleted_at IS NULL AND id > ? ORDER BY id LIMIT ?",
      owner,
      cursor ?? "",
      limit,
    );
  }
  countSandboxes(owner: string): number {
    return this.sandboxes.count("owner = ? AND deleted_at IS NULL", owner);
  }
  sandboxesOn(cargoId: string): SandboxRow[] {
    return this.sandboxes.select("cargo_id = ? AND deleted_at IS NULL ORDER BY id", cargoId);
  }
  sandboxesDue(clock: SandboxClock, at: number): string[] {
    const column = clock === "expiresAt" ? "expires_at" : "idle_expires_at";
    return this.sandboxes.select(`deleted_at IS NULL AND ${column} < ? ORDER BY ${column}`, at).map(({ id }) => id);
  }
  sandboxesByState(at: number): { state: SessionState | null; expired: boolean; count: number }[] {
    return this.database
      .all<{ state: SessionState | null; expired: number; count: number }>(
        `SELECT sessions.state AS state, coalesce(sandboxes.expires_at < ?, 0) AS expired, count(*) AS count FROM sandboxes
       LEFT JOIN sessions ON sessions.id = sandboxes.session_id WHERE deleted_at IS NULL GROUP BY 1, 2`,
        at,
      )
      .map(({ state, expired, count }) => ({ state, expired: expired === 1, count }));
  }

  insertSession(row: SessionRow): void {
    this.sessions.insert(row);
  }
  session(id: string): SessionRow | undefined {
    return this.sessions.find(id);
  }
  updateSession(id: string, changes: Partial<SessionRow>): void {
    this.sessions.update(id, changes);
  }
  sessionsIn(...states: SessionState[]): SessionRow[] {
    return this.sessions.select(
      `state IN (${states.map(() => "?").join(", ")}) AND state NOT IN ('stopped', 'failed') ORDER BY id`,
      ...states,
    );
  }
  deleteSessionsOf(sandboxId: string): void {
    this.sessions.remove("sandbox_id = ?", sandboxId);
  }

  insertCargo(row: CargoRow): void {
    this.cargos.insert(row);
  }
  cargo(id: string): CargoRow | undefined {
    return this.cargos.find(id);
  }
  deleteCargo(id: string): void {
    this.cargos.remove("id = ?", id);
  }
  cargosAfter(owner: string, managed: boolean, cursor: string | null, limit: number): CargoRow[] {
    return this.cargos.select(
      "owner = ? AND managed = ? AND id > ? ORDER BY id LIMIT ?",
      owner,
      managed ? 1 : 0,
      cursor ?? "",
      limit,
    );
  }
  countCargos(owner: string): number {
    return this.cargos.count("owner = ? AND managed = 0", owner);
  }
  orphanCargos(madeBefore: number): CargoRow[] {
    const sandbox = "SELECT 1 FROM sandboxes WHERE sandboxes.id = cargos.managed_by_sandbox_id";
    // A cargo without its sandbox's row may be one whose sandbox is being made right now.
    return this.cargos.select(
      `managed = 1 AND NOT EXISTS (${sandbox} AND deleted_at IS NULL) AND (EXISTS (${sandbox}) OR created_at < ?) ORDER BY id`,
      madeBefore,
    );
  }

  insertExecution(row: ExecutionRow): void {
    sizeOf(row);
    const kept = { ...row, code: cut(row.code), output: cut(row.output), error: cut(row.error) };
    const size = sizeOf(kept);
    this.atomically(() => {
      this.history.insert(kept, { size, tags_folded: fold(kept.tags) });
      this.historySize += size;
      this.trimHistory(row.id);
    });
  }
  executionsTagged(owner: string, tag: string): Pick<ExecutionRow, "success" | "timeMs">[] {
    const tagged =
      "instr(',' || tags_folded || ',', ?) > 0 AND EXISTS (SELECT 1 FROM sandboxes WHERE sandboxes.id = sandbox_id AND owner = ?)";
    return this.history.select(`${tagged} ORDER BY seq DESC LIMIT 10000`, `,${tag.toLowerCase()},`, owner);
  }
  execution(sandboxId: string, id: string): ExecutionRow | undefined {
    return this.history.first("sandbox_id = ? AND id = ?", sandboxId, id);
  }
  executionOf(owner: string, id: string): ExecutionRow | undefined {
    return this.history.first(
      "id = ? AND EXISTS (SELECT 1 FROM sandboxes WHERE sandboxes.id = sandbox_id AND owner = ?)",
      id,
      owner,
    );
  }
  updateExecution(id: string, changes: Partial<Pick<ExecutionRow, "description" | "tags" | "notes">>): void {
    this.atomically(() => {
      const row = this.history.find(id);
      const before = this.database.get<{ size: number }>("SELECT size FROM executions WHERE id = ?", id);
      if (!row || !before) return;
      const size = sizeOf({ ...row, ...changes });
      this.history.update(id, changes, {
        size,
        ...(changes.tags === undefined ? {} : { tags_folded: fold(changes.tags) }),
      });
      this.historySize += size - before.size;
      this.trimHistory(id);
    });
  }
  executions(
    sandboxId: string,
    filter: ExecutionFilter,
    limit: number,
    { offset = 0, most = Infinity }: { offset?: number; most?: number } = {},
  ): { rows: ExecutionRow[]; total: number } {
    const { where, values } = conditionOf(sandboxId, filter);
    const found = this.database.all<{ seq: number }>(
      `SELECT seq FROM executions WHERE ${where} ORDER BY seq DESC LIMIT ? OFFSET ?`,
      ...values,
      limit,
      offset,
    );
    return {
      rows: upTo(found, most, ({ seq }) => this.history.first("seq = ?", seq), sizeOf),
      total: this.history.count(where, ...values),
    };
  }
  historySizeOf(sandboxId: string): number {
    return (
      this.database.get<{ size: number | null }>(
        "SELECT sum(size) AS size FROM executions WHERE sandbox_id = ?",
        sandboxId,
      )?.size ?? 0
    );
  }
  deleteExecutionsOf(sandboxId: string): void {
    if (this.history.remove("sandbox_id = ?", sandboxId) > 0) this.historySize = this.measureHistory();
  }

  saveAnswer(row: IdempotencyRow): void {
    this.answers.insert(row, {}, "INSERT OR REPLACE");
  }
  answer(owner: string, key: string, at: number): IdempotencyRow | undefined {
    this.answers.remove("expires_at <= ?", at);
    return this.answers.first("owner = ? AND key = ?", owner, key);
  }

  saveKey(row: KeyRow): void {
    this.keys.insert(row, {}, "INSERT OR REPLACE");
  }
  apiKeys(): KeyRow[] {
    return this.keys.select("1 ORDER BY created_at");
  }
  updateKey(hash: string, changes: Partial<Pick<KeyRow, "admin" | "lastUsedAt">>): void {
    this.keys.update(hash, changes);
  }
  deleteKey(hash: string): void {
    this.keys.remove("hash = ?", hash);
  }

  setting(name: string): string | undefined {
    return this.database.get<{ value: string }>("SELECT value FROM settings WHERE name = ?", name)?.value;
  }
  saveSetting(name: string, value: string): void {
    this.database.run("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, value);
  }

  nextOrigin(): string {
    return this.atomically(() => {
      const id = (this.originId ??= this.beginOrigin());
      this.database.run("UPDATE origins SET made = made + 1 WHERE id = ?", id);
      return `${id}-${this.madeBy(id)!}`;
    });
  }
  madeHere(origin: string | null): boolean {
    const [, id, number] = /^([0-9a-f]{12})-(\d{1,15})$/.exec(origin ?? "") ?? [];
    return id !== undefined && Number(number) <= (this.madeBy(id) ?? -1);
  }
  sandboxesEverOn(cargoId: string): SandboxRow[] {
    return this.sandboxes.select("cargo_id = ? ORDER BY id", cargoId);
  }

  setAside(): SetAsideRow[] {
    return this.aside.select("1 ORDER BY since, id");
  }
  saveSetAside(row: SetAsideRow): void {
    this.aside.insert(row, {}, "INSERT OR REPLACE");
  }
  deleteSetAside(id: string): void {
    this.aside.remove("id = ?", id);
  }

  private beginOrigin(): string {
    const id = randomUUID().replaceAll("-", "").slice(0, 12);
    this.database.run(
      "INSERT INTO origins (id, began_at, made) VALUES (?, ?, 0)",
      id,
      performance.timeOrigin + performance.now(),
    );
    return id;
  }

  /** How many things were made under an origin's id; undefined for one that this database does not know. */
  private madeBy(id: string): number | undefined {
    return this.database.get<{ made: number }>("SELECT made FROM origins WHERE id = ?", id)?.made;
  }

  private measureHistory(): number {
    return this.database.get<{ size: number | null }>("SELECT sum(size) AS size FROM executions")?.size ?? 0;
  }

  /** Forgets the oldest rows beyond the limit, but not `spared`. */
  private trimHistory(spared: string | null): void {
    while (this.historySize > (this.limits.history ?? Infinity) && this.forgetOldest(spared)) {
      /* one row fewer */
    }
  }

  /** Whether there was one, other than `spared`. */
  private forgetOldest(spared: string | null): boolean {
    const oldest = this.database.get<{ seq: number; id: string; size: number }>(
      "SELECT seq, id, size FROM executions ORDER BY seq LIMIT 1",
    );
    if (!oldest || oldest.id === spared) return false;
    this.database.run("DELETE FROM executions WHERE seq = ?", oldest.seq);
    this.historySize -= oldest.size;
    return true;
  }
}

function conditionOf(sandboxId: string, filter: ExecutionFilter): { where: string; values: Value[] } {
  const tags = filter.tags ?? [];
  const conditions = [
    "sandbox_id = ?",
    ...(filter.type === undefined ? [] : ["type = ?"]),
    ...(filter.successOnly ? ["success = 1"] : []),
    ...(filter.hasNotes ? [`notes <> '""'`] : []),
    ...(filter.hasDescription ? [`description <> '""'`] : []),
    // Not a condition for each tag: SQLite takes a thousand of them at most.
    ...(tags.length > 0 ? ["EXISTS (SELECT 1 FROM json_each(?) WHERE instr(tags_folded, value) > 0)"] : []),
  ];
  return {
    where: conditions.join(" AND "),
    values: [
      sandboxId,
      ...(filter.type === undefined ? [] : [filter.type]),
      ...(tags.length > 0 ? [JSON.stringify(tags.map((tag) => tag.toLowerCase()))] : []),
    ],
  };
}

/** Characters that a row of the history counts. @throws TypeError for a text that is none */
function sizeOf({ code, output, error, description, notes, tags }: ExecutionRow): number {
  return [code, output, error, description, notes, tags, tags].reduce((sum, text: unknown) => {
    if (text !== null && text !== undefined && typeof text !== "string")
      throw new TypeError(`a row of the history has a text that is ${typeof text}`);
    return sum + (text?.length ?? 0);
  }, 256);
}

/** For searches that are blind to case: SQLite folds ASCII only. */
const fold = (tags: string | null): string | null => tags?.toLowerCase() ?? null;

function cut<T extends string | null>(text: T): T {
  return text === null || text.length <= TEXT_LIMIT
    ? text
    : (`${text.slice(0, TEXT_LIMIT)}\n… ${text.length - TEXT_LIMIT} more characters are not kept` as T);
}
