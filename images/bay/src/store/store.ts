import type { SkillStore } from "./skills";

/** Rows that Bay keeps. Times are milliseconds since 1970 (with fraction). */

export interface SandboxRow {
  id: string;
  owner: string;
  profileId: string;
  cargoId: string;
  createdAt: number;
  /** End of its life; null = never. */
  expiresAt: number | null;
  /** When an idle session may be collected; null = nothing runs. */
  idleExpiresAt: number | null;
  /** The current session. */
  sessionId: string | null;
  deletedAt: number | null;
}

export type SessionState = "pending" | "starting" | "running" | "stopping" | "stopped" | "failed";

export interface SessionRow {
  id: string;
  sandboxId: string;
  profileId: string;
  cargoId: string;
  state: SessionState;
  /** Base URL of each container, by container name; null while nothing runs. */
  endpoints: Record<string, string> | null;
  createdAt: number;
}

export interface CargoRow {
  id: string;
  owner: string;
  managed: boolean;
  managedBySandboxId: string | null;
  sizeLimitMb: number;
  createdAt: number;
  lastAccessedAt: number;
}

export type ExecType = "python" | "shell" | "browser" | "browser_batch";
export const EXEC_TYPES: readonly ExecType[] = ["python", "shell", "browser", "browser_batch"];

export interface ExecutionRow {
  id: string;
  sandboxId: string;
  sessionId: string | null;
  type: ExecType;
  code: string;
  success: boolean;
  timeMs: number;
  output: string | null;
  error: string | null;
  description: string | null;
  tags: string | null;
  notes: string | null;
  createdAt: number;
}

/** A key of the API: only its digest is kept. */
export interface KeyRow {
  /** SHA-256 of the key, hexadecimal. */
  hash: string;
  /** First characters of the key, to tell keys apart. */
  prefix: string;
  owner: string;
  createdAt: number;
  /** Whether it opens the admin routes where they are closed to others. */
  admin: boolean;
  /** When a request came with it last, to the minute; null: never. */
  lastUsedAt: number | null;
}

/** A volume or a session's pod that this database knows nothing of. */
export interface SetAsideRow {
  /** Id of the cargo or of the session. */
  id: string;
  kind: "volume" | "session";
  /** When this database met it first. */
  since: number;
  /** Milliseconds of its grace time that have passed. */
  waitedMs: number;
}

/** The clocks by which a sandbox is collected. */
export type SandboxClock = "expiresAt" | "idleExpiresAt";

/** An answer kept under an idempotency key. */
export interface IdempotencyRow {
  owner: string;
  key: string;
  fingerprint: string;
  status: number;
  body: string;
  expiresAt: number;
}

export interface ExecutionFilter {
  type?: ExecType;
  successOnly?: boolean;
  hasNotes?: boolean;
  hasDescription?: boolean;
  /** Any of these, as substrings, whatever the case. */
  tags?: string[];
}

/**
 * Storage. Every method is synchronous and atomic: between two `await`s a service sees and changes one consistent
 * state, so checks and the changes that rest on them need no further lock. What was written is there after the process
 * ended, by whatever cause. Rows are copies; only `update…` changes them.
 */
export interface Store {
  /** All changes of `work` or none. */
  atomically<T>(work: () => T): T;
  close(): void;
  readonly skills: SkillStore;
  /** Whether it has reached its largest size: nothing is to be added that does not go away by itself. */
  readonly full: boolean;

  insertSandbox(row: SandboxRow): void;
  /** Deleted sandboxes too. */
  sandbox(id: string): SandboxRow | undefined;
  updateSandbox(id: string, changes: Partial<Omit<SandboxRow, "id">>): void;
  /** Live sandboxes of an owner with ids after `cursor`, ascending. */
  sandboxesAfter(owner: string, cursor: string | null, limit: number): SandboxRow[];
  /** Number of live sandboxes of an owner. */
  countSandboxes(owner: string): number;
  /** Live sandboxes that mount a cargo. */
  sandboxesOn(cargoId: string): SandboxRow[];
  /** Ids of live sandboxes whose clock ran out before `at`. */
  sandboxesDue(clock: SandboxClock, at: number): string[];
  /** Numbers of live sandboxes by the state of their session (null without one) and whether they have expired. */
  sandboxesByState(at: number): { state: SessionState | null; expired: boolean; count: number }[];

  insertSession(row: SessionRow): void;
  session(id: string): SessionRow | undefined;
  updateSession(id: string, changes: Partial<Omit<SessionRow, "id">>): void;
  /** Sessions in any of these states. */
  sessionsIn(...states: Exclude<SessionState, "stopped" | "failed">[]): SessionRow[];
  deleteSessionsOf(sandboxId: string): void;

  insertCargo(row: CargoRow): void;
  cargo(id: string): CargoRow | undefined;
  deleteCargo(id: string): void;
  cargosAfter(owner: string, managed: boolean, cursor: string | null, limit: number): CargoRow[];
  /** Number of cargos that an owner has made. */
  countCargos(owner: string): number;
  /** Managed cargos whose sandbox is deleted, or was never recorded though the cargo is from before `madeBefore`. */
  orphanCargos(madeBefore: number): CargoRow[];

  insertExecution(row: ExecutionRow): void;
  execution(sandboxId: string, id: string): ExecutionRow | undefined;
  updateExecution(id: string, changes: Partial<Pick<ExecutionRow, "description" | "tags" | "notes">>): void;
  /** The last executions in sandboxes of an owner that carry a tag. */
  executionsTagged(owner: string, tag: string): Pick<ExecutionRow, "success" | "timeMs">[];
  /** An execution in any sandbox of an owner. */
  executionOf(owner: string, id: string): ExecutionRow | undefined;
  /** A page of those that fit, newest first, and how many fit; it ends early beyond `most` characters. */
  executions(
    sandboxId: string,
    filter: ExecutionFilter,
    limit: number,
    page?: { offset?: number; most?: number },
  ): { rows: ExecutionRow[]; total: number };
  /** Characters that the history of a sandbox takes. */
  historySizeOf(sandboxId: string): number;
  deleteExecutionsOf(sandboxId: string): void;

  saveAnswer(row: IdempotencyRow): void;
  /** Forgets answers that expired before `at` on the way. */
  answer(owner: string, key: string, at: number): IdempotencyRow | undefined;

  saveKey(row: KeyRow): void;
  apiKeys(): KeyRow[];
  updateKey(hash: string, changes: Partial<Pick<KeyRow, "admin" | "lastUsedAt">>): void;
  deleteKey(hash: string): void;

  /** A value that Bay keeps for itself. */
  setting(name: string): string | undefined;
  saveSetting(name: string, value: string): void;

  /**
   * Notes that a volume or a pod is about to be made, and returns what is to be written on it: by that `madeHere` knows
   * it again. Written before the thing exists.
   */
  nextOrigin(): string;
  /**
   * Whether this database has noted that it made the thing with this origin; false for one restored from before that.
   */
  madeHere(origin: string | null): boolean;
  /** The sandboxes, deleted ones included, that have or had a cargo. */
  sandboxesEverOn(cargoId: string): SandboxRow[];

  setAside(): SetAsideRow[];
  saveSetAside(row: SetAsideRow): void;
  deleteSetAside(id: string): void;
}
