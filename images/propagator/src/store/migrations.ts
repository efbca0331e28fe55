import type { Migration } from "../../../common/src/database";

/** Times are milliseconds since 1970 (with fraction), truth values 0 and 1. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "clusters, actions, checkpoints and removals",
    sql: `
      CREATE TABLE clusters (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, own INTEGER NOT NULL, created_at REAL NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE actions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, status TEXT NOT NULL, cluster_id TEXT NOT NULL, checkpoint_id TEXT NOT NULL,
        namespace TEXT NOT NULL, pod_name TEXT NOT NULL, pod_id TEXT, node_name TEXT NOT NULL, reason TEXT NOT NULL, request TEXT NOT NULL,
        failure TEXT, created_at REAL NOT NULL, ended_at REAL
      ) STRICT;
      CREATE INDEX actions_of_pod ON actions (pod_id, seq);
      CREATE INDEX actions_running ON actions (type) WHERE ended_at IS NULL;
      CREATE INDEX actions_of_checkpoint ON actions (checkpoint_id);

      CREATE TABLE checkpoints (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, action_id TEXT NOT NULL, cluster_id TEXT NOT NULL, status TEXT NOT NULL, namespace TEXT NOT NULL,
        pod_name TEXT NOT NULL, pod_id TEXT NOT NULL, node_name TEXT NOT NULL, container_name TEXT NOT NULL, container_id TEXT NOT NULL, image TEXT NOT NULL,
        pod TEXT NOT NULL, bytes INTEGER, memory_bytes INTEGER, rootfs_bytes INTEGER, freeze_us INTEGER, dump_us INTEGER, checksum TEXT, info TEXT,
        created_at REAL NOT NULL, deprecated_at REAL, deprecated_why TEXT
      ) STRICT;
      CREATE INDEX checkpoints_kept ON checkpoints (node_name, seq) WHERE deprecated_at IS NULL;
      CREATE INDEX checkpoints_of_container ON checkpoints (pod_id, container_name, seq) WHERE deprecated_at IS NULL;

      CREATE TABLE removals (id TEXT PRIMARY KEY, node_name TEXT NOT NULL, asked_at REAL NOT NULL) STRICT, WITHOUT ROWID;
    `,
  },
  {
    version: 2,
    name: "what volumes take in a checkpoint",
    sql: "ALTER TABLE checkpoints ADD COLUMN volume_bytes INTEGER",
  },
];
