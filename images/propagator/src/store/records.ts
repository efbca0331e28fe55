import type { Database } from "../../../common/src/database";
import { Table } from "../../../common/src/table";
import type { ActionRow, ActionType, CheckpointRow, ClusterRow, RemovalRow } from "./rows";

/** The propagator's records in a SQLite database. */
export class Records {
  private readonly clusterTable: Table<ClusterRow>;
  private readonly actionTable: Table<ActionRow>;
  private readonly checkpointTable: Table<CheckpointRow>;
  private readonly removalTable: Table<RemovalRow>;

  constructor(private readonly database: Database) {
    const plain = "plain";
    this.clusterTable = new Table<ClusterRow>(
      database,
      "clusters",
      { id: plain, name: plain, kind: plain, own: "boolean", createdAt: plain },
      "id",
    );
    this.actionTable = new Table<ActionRow>(
      database,
      "actions",
      {
        id: plain,
        type: plain,
        status: plain,
        clusterId: plain,
        checkpointId: plain,
        namespace: plain,
        podName: plain,
        podId: plain,
        nodeName: plain,
        reason: plain,
        request: "json",
        failure: "json",
        createdAt: plain,
        endedAt: plain,
      },
      "id",
    );
    this.checkpointTable = new Table<CheckpointRow>(
      database,
      "checkpoints",
      {
        id: plain,
        actionId: plain,
        clusterId: plain,
        status: plain,
        namespace: plain,
        podName: plain,
        podId: plain,
        nodeName: plain,
        containerName: plain,
        containerId: plain,
        image: plain,
        pod: "json",
        bytes: plain,
        memoryBytes: plain,
        rootfsBytes: plain,
        volumeBytes: plain,
        freezeUs: plain,
        dumpUs: plain,
        checksum: plain,
        info: "json",
        createdAt: plain,
        deprecatedAt: plain,
        deprecatedWhy: plain,
      },
      "id",
    );
    this.removalTable = new Table<RemovalRow>(
      database,
      "removals",
      { id: plain, nodeName: plain, askedAt: plain },
      "id",
    );
  }

  atomically<T>(work: () => T): T {
    return this.database.atomically(work);
  }
  close(): void {
    this.database.close();
  }

  /** Oldest first; the own cluster before all others. */
  clusters(): ClusterRow[] {
    return this.clusterTable.select("1 ORDER BY own DESC, created_at, id");
  }
  cluster(id: string): ClusterRow | undefined {
    return this.clusterTable.find(id);
  }
  clusterNamed(name: string): ClusterRow | undefined {
    return this.clusterTable.first("name = ?", name);
  }
  ownCluster(): ClusterRow | undefined {
    return this.clusterTable.first("own = 1");
  }
  insertCluster(row: ClusterRow): void {
    this.clusterTable.insert(row);
  }
  updateCluster(id: string, changes: Partial<ClusterRow>): void {
    this.clusterTable.update(id, changes);
  }

  /** Forgets a cluster with its actions and checkpoints; files that still lie on nodes are noted for removal. */
  deleteCluster(id: string, at: number): void {
    this.atomically(() => {
      for (const { id: checkpoint, nodeName } of this.checkpointTable.selectWithout(
        ["pod"],
        "cluster_id = ? AND deprecated_at IS NULL",
        id,
      ))
        this.askRemoval({ id: checkpoint, nodeName, askedAt: at });
      this.checkpointTable.remove("cluster_id = ?", id);
      this.actionTable.remove("cluster_id = ?", id);
      this.clusterTable.remove("id = ?", id);
    });
  }

  insertAction(row: ActionRow): void {
    this.actionTable.insert(row);
  }
  action(id: string): ActionRow | undefined {
    return this.actionTable.find(id);
  }
  updateAction(id: string, changes: Partial<ActionRow>): void {
    this.actionTable.update(id, changes);
  }
  /** Newest first. */
  actions({ type, clusterId }: { type?: ActionType | undefined; clusterId?: string | undefined }): ActionRow[] {
    return this.actionTable.select(
      "(?1 IS NULL OR type = ?1) AND (?2 IS NULL OR cluster_id = ?2) ORDER BY seq DESC",
      type ?? null,
      clusterId ?? null,
    );
  }
  runningActions(): ActionRow[] {
    return this.actionTable.select("ended_at IS NULL ORDER BY seq");
  }
  latestCheckpointAction(podId: string): ActionRow | undefined {
    return this.actionTable.first("pod_id = ? AND type = 'checkpoint_pod' ORDER BY seq DESC", podId);
  }
  /** Whether a restore from this checkpoint is under way. */
  inUse(checkpointId: string): boolean {
    return this.actionTable.count("checkpoint_id = ? AND type = 'restore_pod' AND ended_at IS NULL", checkpointId) > 0;
  }
  countRunning(type: ActionType): number {
    return this.actionTable.count("type = ? AND ended_at IS NULL", type);
  }

  /**
   * Forgets the oldest actions beyond the newest `limit`, but none that runs or whose checkpoint can be restored; and
   * checkpoints without an action.
   */
  forget(limit: number): void {
    this.atomically(() => {
      this.actionTable.remove(
        "ended_at IS NOT NULL AND seq <= (SELECT max(seq) FROM actions) - ? AND checkpoint_id NOT IN (SELECT id FROM checkpoints WHERE deprecated_at IS NULL AND status = 'ready')",
        limit,
      );
      this.checkpointTable.remove(
        "(deprecated_at IS NOT NULL OR status = 'error') AND id NOT IN (SELECT checkpoint_id FROM actions)",
      );
    });
  }

  insertCheckpoint(row: CheckpointRow): void {
    this.checkpointTable.insert(row);
  }
  checkpoint(id: string): CheckpointRow | undefined {
    return this.checkpointTable.find(id);
  }
  /** The same without its pod. */
  checkpointFigures(id: string): Omit<CheckpointRow, "pod"> | undefined {
    return this.checkpointTable.selectWithout(["pod"], "id = ?", id)[0];
  }
  updateCheckpoint(id: string, changes: Partial<CheckpointRow>): void {
    this.checkpointTable.update(id, changes);
  }
  /** Newest first; without the pods, each of which may take a megabyte. */
  checkpoints({
    clusterId,
    deprecated,
  }: {
    clusterId?: string | undefined;
    deprecated: boolean;
  }): Omit<CheckpointRow, "pod">[] {
    return this.checkpointTable.selectWithout(
      ["pod"],
      "(?1 IS NULL OR cluster_id = ?1) AND (?2 OR deprecated_at IS NULL) ORDER BY seq DESC",
      clusterId ?? null,
      deprecated ? 1 : 0,
    );
  }
  /** Ready ones with files, oldest first. */
  kept(nodeName: string): Omit<CheckpointRow, "pod">[] {
    return this.checkpointTable.selectWithout(
      ["pod"],
      "node_name = ? AND deprecated_at IS NULL AND status = 'ready' ORDER BY seq",
      nodeName,
    );
  }
  keptOf(podId: string, containerName: string): Omit<CheckpointRow, "pod">[] {
    return this.checkpointTable.selectWithout(
      ["pod"],
      "pod_id = ? AND container_name = ? AND deprecated_at IS NULL AND status = 'ready' ORDER BY seq",
      podId,
      containerName,
    );
  }
  /** What each node keeps. */
  stored(): { node: string; count: number; bytes: number }[] {
    return this.database.all(
      "SELECT node_name AS node, count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM checkpoints WHERE deprecated_at IS NULL AND status = 'ready' GROUP BY node_name",
    );
  }

  askRemoval(row: RemovalRow): void {
    this.removalTable.insert(row, {}, "INSERT OR REPLACE");
  }
  removals(): RemovalRow[] {
    return this.removalTable.select("1 ORDER BY asked_at, id");
  }
  forgetRemoval(id: string): void {
    this.removalTable.remove("id = ?", id);
  }
}
