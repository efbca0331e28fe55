import type { Migration } from "../../../common/src/database";

/** Times are milliseconds since 1970 (with fraction), truth values 0 and 1. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "sandboxes, sessions, cargos, history, idempotency and keys",
    sql: `
      CREATE TABLE sandboxes (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, profile_id TEXT NOT NULL, cargo_id TEXT NOT NULL, created_at REAL NOT NULL,
        expires_at REAL, idle_expires_at REAL, session_id TEXT, deleted_at REAL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX sandboxes_of_owner ON sandboxes (owner, id) WHERE deleted_at IS NULL;
      CREATE INDEX sandboxes_on_cargo ON sandboxes (cargo_id) WHERE deleted_at IS NULL;
      CREATE INDEX sandboxes_by_end ON sandboxes (expires_at) WHERE deleted_at IS NULL AND expires_at IS NOT NULL;
      CREATE INDEX sandboxes_by_idle_end ON sandboxes (idle_expires_at) WHERE deleted_at IS NULL AND idle_expires_at IS NOT NULL;

      CREATE TABLE sessions (
        id TEXT PRIMARY KEY, sandbox_id TEXT NOT NULL, profile_id TEXT NOT NULL, cargo_id TEXT NOT NULL, state TEXT NOT NULL,
        endpoints TEXT, created_at REAL NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX sessions_of_sandbox ON sessions (sandbox_id);
      CREATE INDEX sessions_alive ON sessions (state) WHERE state NOT IN ('stopped', 'failed');

      CREATE TABLE cargos (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, managed INTEGER NOT NULL, managed_by_sandbox_id TEXT, size_limit_mb INTEGER NOT NULL,
        created_at REAL NOT NULL, last_accessed_at REAL NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX cargos_of_owner ON cargos (owner, managed, id);

      CREATE TABLE executions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, sandbox_id TEXT NOT NULL, session_id TEXT, type TEXT NOT NULL,
        code TEXT NOT NULL, success INTEGER NOT NULL, time_ms INTEGER NOT NULL, output TEXT, error TEXT, description TEXT, tags TEXT,
        tags_folded TEXT, notes TEXT, created_at REAL NOT NULL, size INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX executions_of_sandbox ON executions (sandbox_id, seq);

      CREATE TABLE answers (
        owner TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
        expires_at REAL NOT NULL, PRIMARY KEY (owner, key)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX answers_by_end ON answers (expires_at);

      CREATE TABLE api_keys (hash TEXT PRIMARY KEY, prefix TEXT NOT NULL, owner TEXT NOT NULL, created_at REAL NOT NULL) STRICT, WITHOUT ROWID;
    `,
  },
  {
    version: 2,
    name: "skills",
    sql: `
      CREATE TABLE skill_payloads (id TEXT PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL, created_at REAL NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE skill_candidates (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, skill_key TEXT NOT NULL, skill_type TEXT NOT NULL,
        scenario_key TEXT, payload_ref TEXT, source_execution_ids TEXT NOT NULL, summary TEXT, usage_notes TEXT, preconditions TEXT,
        postconditions TEXT, status TEXT NOT NULL, latest_score REAL, latest_pass INTEGER, last_evaluated_at REAL, promotion_release_id TEXT,
        created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL, deleted_by TEXT, delete_reason TEXT
      ) STRICT;
      CREATE INDEX skill_candidates_of_owner ON skill_candidates (owner, seq) WHERE deleted_at IS NULL;

      CREATE TABLE skill_evaluations (
        id TEXT PRIMARY KEY, candidate_id TEXT NOT NULL, benchmark_id TEXT, score REAL, passed INTEGER NOT NULL, report TEXT,
        evaluated_by TEXT NOT NULL, created_at REAL NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE skill_releases (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, skill_key TEXT NOT NULL, candidate_id TEXT NOT NULL,
        version INTEGER NOT NULL, stage TEXT NOT NULL, is_active INTEGER NOT NULL, promoted_at REAL NOT NULL, rollback_of TEXT,
        health_window_end_at REAL, upgrade_of_release_id TEXT, upgrade_reason TEXT, change_summary TEXT, deleted_at REAL, deleted_by TEXT,
        delete_reason TEXT, UNIQUE (owner, skill_key, version)
      ) STRICT;
    `,
  },
  {
    version: 3,
    name: "times that are dates, notes that count",
    // A number beyond the year 9999 cannot be shown, and notes of any length were not counted.
    sql: `
      UPDATE sandboxes SET expires_at = 253402300799000 WHERE expires_at > 253402300799000;
      UPDATE sandboxes SET idle_expires_at = 253402300799000 WHERE idle_expires_at > 253402300799000;
      UPDATE executions SET notes = json_quote(substr(json_extract(notes, '$'), 1, 65536)) WHERE length(notes) > 400000 AND json_valid(notes);
      UPDATE executions SET description = json_quote(substr(json_extract(description, '$'), 1, 16384)) WHERE length(description) > 100000 AND json_valid(description);
      UPDATE executions SET tags = NULL, tags_folded = NULL WHERE length(tags) > 100000;
      UPDATE executions SET size = 256 + length(code) + coalesce(length(output), 0) + coalesce(length(error), 0)
        + coalesce(length(description), 0) + coalesce(length(notes), 0) + 2 * coalesce(length(tags), 0);
      CREATE INDEX executions_sizes ON executions (sandbox_id, size);
    `,
  },
  {
    version: 4,
    name: "origins of volumes and pods, what is set aside, settings, admin keys",
    sql: `
      CREATE TABLE origins (id TEXT PRIMARY KEY, began_at REAL NOT NULL, made INTEGER NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE set_aside (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, since REAL NOT NULL, waited_ms REAL NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

      ALTER TABLE api_keys ADD COLUMN admin INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE api_keys ADD COLUMN last_used_at REAL;
    `,
  },
];
