import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import Sqlite from "libsql";

/** The database cannot be used; the message says which file and what to do. */
export class DatabaseError extends Error {}

/** One step of a database's schema. Steps are applied in order and never changed once they were released. */
export interface Migration {
  version: number;
  name: string;
  sql: string;
}

/** Words for messages: whose database it is, and which setting names its file. */
export interface DatabaseWords {
  owner: string;
  setting: string;
}

/** A value of a column. */
export type Value = string | number | null;

/** Wait for another process that writes, e.g. a backup. */
const BUSY_MS = 2_000;

/**
 * One SQLite database. In WAL mode with `synchronous=NORMAL` a commit costs about 0.03 ms, survives the end of the
 * process by whatever cause, and only a power cut may take back the last ones; FULL would cost 2 to 9 ms, in which
 * nothing else is served.
 */
export class Database {
  private readonly connection: Sqlite.Database;
  /** Statements by their text: the library gives a connection free only when each statement was collected. */
  private readonly statements = new Map<string, Sqlite.Statement<Value[]>>();
  private depth = 0;

  /**
   * Opens, or makes, the database and brings its schema to the newest version.
   * @param file Path, or `:memory:`.
   * @param migrations All steps of the schema, by rising version.
   * @throws DatabaseError
   */
  constructor(
    readonly file: string,
    migrations: readonly Migration[],
    private readonly words: DatabaseWords,
  ) {
    try {
      const folder = path.dirname(path.resolve(file));
      if (file !== ":memory:" && !existsSync(folder)) mkdirSync(folder);
      this.connection = new Sqlite(file);
      this.connection.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      this.connection.pragma("journal_mode = WAL");
      this.connection.exec("PRAGMA synchronous = NORMAL");
    } catch (error) {
      throw new DatabaseError(
        `the database ${file} cannot be opened: ${(error as Error).message}; wanted a SQLite file in a folder that this user may write to`,
        { cause: error },
      );
    }
    this.migrate(migrations);
  }

  /** Version of the schema. */
  get version(): number {
    return this.get<{ version: number | null }>("SELECT max(version) AS version FROM migrations")?.version ?? 0;
  }

  /** Bytes that the database takes; room that deleted rows left does not count. */
  get size(): number {
    const figure = (name: string): number =>
      Object.values(this.get<Record<string, number>>(`PRAGMA ${name}`) ?? {})[0] ?? 0;
    return (figure("page_count") - figure("freelist_count")) * figure("page_size");
  }

  get<T extends object>(sql: string, ...values: Value[]): T | undefined {
    return this.prepared(sql).get(...values) as T | undefined;
  }

  all<T extends object>(sql: string, ...values: Value[]): T[] {
    return this.prepared(sql).all(...values) as T[];
  }

  /** Runs a change and gives the number of rows that it changed. */
  run(sql: string, ...values: Value[]): number {
    return this.prepared(sql).run(...values).changes;
  }

  /** All of `work` or nothing of it; inside another one it is part of that. */
  atomically<T>(work: () => T): T {
    if (this.depth > 0) return work();
    this.connection.exec("BEGIN IMMEDIATE");
    this.depth += 1;
    try {
      const result = work();
      this.connection.exec("COMMIT");
      return result;
    } catch (error) {
      this.connection.exec("ROLLBACK");
      throw error;
    } finally {
      this.depth -= 1;
    }
  }

  /** Writes what is in the log into the file and closes it. */
  close(): void {
    if (!this.connection.open) return;
    this.statements.clear();
    this.connection.pragma("wal_checkpoint(TRUNCATE)");
    this.connection.close();
  }

  private prepared(sql: string): Sqlite.Statement<Value[]> {
    const known = this.statements.get(sql);
    if (known) return known;
    const statement = this.connection.prepare<Value[]>(sql);
    this.statements.set(sql, statement);
    return statement;
  }

  private migrate(migrations: readonly Migration[]): void {
    this.connection.exec(
      "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at REAL NOT NULL) STRICT",
    );
    const newest = migrations.at(-1)?.version ?? 0;
    const {
      version,
      words: { owner, setting },
    } = this;
    if (version > newest) {
      throw new DatabaseError(
        `the database ${this.file} has version ${version}, made by a newer ${owner}; this one knows versions up to ${newest}: run the newer ${owner}, or give this one another ${setting}`,
      );
    }
    for (const migration of migrations.filter((each) => each.version > version)) {
      this.atomically(() => {
        this.connection.exec(migration.sql);
        this.run(
          "INSERT INTO migrations (version, name, applied_at) VALUES (?, ?, ?)",
          migration.version,
          migration.name,
          performance.timeOrigin + performance.now(),
        );
      });
    }
  }
}
