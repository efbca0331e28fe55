import type { CargoRow, ExecutionFilter, ExecutionRow, IdempotencyRow, SandboxRow, SessionRow, Store } from "./store";

/** Characters of code and output that the history may hold over all sandboxes; the oldest rows go first. */
const HISTORY_LIMIT = 64 * 1024 * 1024;

/** Storage that lives and dies with the process. */
export class MemoryStore implements Store {
  private readonly sandboxes = new Map<string, SandboxRow>();
  private readonly sessions = new Map<string, SessionRow>();
  private readonly cargos = new Map<string, CargoRow>();
  private readonly history = new Map<string, ExecutionRow>();
  private readonly answers = new Map<string, IdempotencyRow>();
  private historySize = 0;

  constructor(private readonly historyLimit = HISTORY_LIMIT) {}

  insertSandbox(row: SandboxRow): void { this.sandboxes.set(row.id, { ...row }); }
  sandbox(id: string): SandboxRow | undefined { return copy(this.sandboxes.get(id)); }
  updateSandbox(id: string, changes: Partial<SandboxRow>): void { change(this.sandboxes, id, changes); }
  sandboxesAfter(owner: string, cursor: string | null, limit: number): SandboxRow[] {
    return page(this.liveSandboxes().filter((row) => row.owner === owner), cursor, limit);
  }
  liveSandboxes(): SandboxRow[] { return [...this.sandboxes.values()].filter((row) => row.deletedAt === null).map((row) => ({ ...row })); }

  insertSession(row: SessionRow): void { this.sessions.set(row.id, { ...row }); }
  session(id: string): SessionRow | undefined { return copy(this.sessions.get(id)); }
  updateSession(id: string, changes: Partial<SessionRow>): void { change(this.sessions, id, changes); }
  deleteSessionsOf(sandboxId: string): void {
    for (const row of this.sessions.values()) if (row.sandboxId === sandboxId) this.sessions.delete(row.id);
  }

  insertCargo(row: CargoRow): void { this.cargos.set(row.id, { ...row }); }
  cargo(id: string): CargoRow | undefined { return copy(this.cargos.get(id)); }
  deleteCargo(id: string): void { this.cargos.delete(id); }
  cargosAfter(owner: string, managed: boolean, cursor: string | null, limit: number): CargoRow[] {
    return page([...this.cargos.values()].filter((row) => row.owner === owner && row.managed === managed), cursor, limit);
  }
  managedCargos(): CargoRow[] { return [...this.cargos.values()].filter((row) => row.managed).map((row) => ({ ...row })); }

  insertExecution(row: ExecutionRow): void {
    this.history.set(row.id, { ...row });
    this.historySize += weight(row);
    for (const oldest of this.history.values()) {
      if (this.historySize <= this.historyLimit || oldest.id === row.id) break;
      this.forget(oldest);
    }
  }
  execution(sandboxId: string, id: string): ExecutionRow | undefined {
    const row = this.history.get(id);
    return row?.sandboxId === sandboxId ? { ...row } : undefined;
  }
  updateExecution(id: string, changes: Partial<ExecutionRow>): void { change(this.history, id, changes); }
  executions(sandboxId: string, filter: ExecutionFilter): ExecutionRow[] {
    return [...this.history.values()].filter((row) => row.sandboxId === sandboxId && matches(row, filter)).reverse().map((row) => ({ ...row }));
  }
  deleteExecutionsOf(sandboxId: string): void {
    for (const row of this.history.values()) if (row.sandboxId === sandboxId) this.forget(row);
  }

  saveAnswer(row: IdempotencyRow): void { this.answers.set(answerKey(row.owner, row.key), { ...row }); }
  answer(owner: string, key: string, at: number): IdempotencyRow | undefined {
    // Answers expire in the order in which they were saved, as all live equally long.
    for (const [id, row] of this.answers) {
      if (row.expiresAt > at) break;
      this.answers.delete(id);
    }
    return copy(this.answers.get(answerKey(owner, key)));
  }

  private forget(row: ExecutionRow): void {
    this.history.delete(row.id);
    this.historySize -= weight(row);
  }
}

const weight = (row: ExecutionRow): number => 256 + row.code.length + (row.output?.length ?? 0) + (row.error?.length ?? 0);
const answerKey = (owner: string, key: string): string => JSON.stringify([owner, key]);
const copy = <R extends object>(row: R | undefined): R | undefined => (row ? { ...row } : undefined);

function change<R extends object>(rows: Map<string, R>, id: string, changes: Partial<R>): void {
  const row = rows.get(id);
  if (row) Object.assign(row, changes);
}

function page<R extends { id: string }>(rows: R[], cursor: string | null, limit: number): R[] {
  return rows.filter(({ id }) => cursor === null || id > cursor).sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit).map((row) => ({ ...row }));
}

function matches(row: ExecutionRow, filter: ExecutionFilter): boolean {
  const tags = row.tags?.toLowerCase() ?? "";
  return (filter.type === undefined || row.type === filter.type)
    && (!filter.successOnly || row.success)
    && (!filter.hasNotes || Boolean(row.notes))
    && (!filter.hasDescription || Boolean(row.description))
    && (!filter.tags?.length || filter.tags.some((tag) => tags.includes(tag.toLowerCase())));
}
