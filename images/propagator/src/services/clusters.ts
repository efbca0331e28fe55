import { randomUUID } from "node:crypto";
import { Refused } from "../errors";
import type { ClusterRow } from "../store/rows";
import { type Context, now } from "./context";
import type { Removals } from "./removals";

/** Most clusters that are registered. */
const MOST = 1_000;

/**
 * Registered clusters. One is the propagator's own, whose pods it can checkpoint; others are only names, for clients
 * that register before they do anything.
 */
export class Clusters {
  constructor(
    private readonly context: Context,
    private readonly removals: Removals,
  ) {}

  /** Sees to it that the cluster that this runs in is registered. */
  ensureOwn(): ClusterRow {
    const {
      records,
      config: { PROPAGATOR_CLUSTER_ID: wanted, PROPAGATOR_CLUSTER_NAME: name },
    } = this.context;
    const own = records.ownCluster();
    if (own && (wanted === "" || own.id === wanted)) return own;
    return records.atomically(() => {
      if (own) records.updateCluster(own.id, { own: false });
      const known = wanted === "" ? undefined : records.cluster(wanted);
      if (known) records.updateCluster(known.id, { own: true });
      const row: ClusterRow = known ?? {
        id: wanted || randomUUID(),
        name: this.freeName(name),
        kind: "kubernetes",
        own: true,
        createdAt: now(),
      };
      if (!known) records.insertCluster(row);
      return { ...row, own: true };
    });
  }

  list(kind?: string): ClusterRow[] {
    return this.context.records.clusters().filter((each) => kind === undefined || each.kind === kind);
  }

  /**
   * Makes or updates the cluster of that name. Where the own one was deregistered, the next registration takes its
   * place.
   */
  register(name: string, kind: ClusterRow["kind"]): ClusterRow {
    const { records } = this.context;
    return records.atomically(() => {
      const known = records.clusterNamed(name);
      if (!known && records.clusters().length >= MOST)
        throw new Refused("too_many", `${MOST} clusters are registered, which is the limit`);
      const own = known?.own ?? (kind === "kubernetes" && !records.ownCluster());
      if (known) records.updateCluster(known.id, { kind, own });
      const row: ClusterRow = known ? { ...known, kind, own } : { id: randomUUID(), name, kind, own, createdAt: now() };
      if (!known) records.insertCluster(row);
      return row;
    });
  }

  /**
   * Forgets a cluster with its actions and checkpoints, whose files are removed from their nodes. @throws Refused
   * cluster_not_found
   */
  async deregister(id: string): Promise<void> {
    const { records } = this.context;
    if (!records.cluster(id)) throw new Refused("cluster_not_found", `there is no cluster ${id}`);
    records.deleteCluster(id, now());
    await this.removals.work();
  }

  /**
   * The own cluster, when the request means it.
   * @param id what the request names, if it names one
   * @throws Refused cluster_not_found, wrong_cluster, no_cluster
   */
  meant(id: string | undefined): ClusterRow {
    const { records } = this.context;
    const own = records.ownCluster();
    if (id !== undefined && !records.cluster(id)) throw new Refused("cluster_not_found", `there is no cluster ${id}`);
    if (!own)
      throw new Refused(
        "no_cluster",
        "no cluster is registered: POST /v2/cluster registers the one that the propagator runs in",
      );
    if (id !== undefined && id !== own.id)
      throw new Refused("wrong_cluster", `this propagator runs in the cluster ${own.id} and reaches no pod of ${id}`);
    return own;
  }

  private freeName(name: string): string {
    return this.context.records.clusterNamed(name) ? `${name}-${randomUUID().slice(0, 8)}` : name;
  }
}
