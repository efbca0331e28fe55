import { Failed, Refused } from "../errors";
import type { CheckpointRow } from "../store/rows";
import { agentOn, type Context, now } from "./context";

/** Between two tries to remove files whose node could not be asked. */
const RETRY_MS = 30_000;

/** Removes checkpoints' files from their nodes: when asked, beyond what is kept, and after failures. */
export class Removals {
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> | undefined;

  constructor(private readonly context: Context) {}

  start(): void {
    this.timer = setInterval(() => {
      void this.work();
    }, RETRY_MS);
  }

  /** Removes no more; what is under way ends. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.working;
  }

  /**
   * Removes a checkpoint's files, then marks it; when they cannot be removed it stays as it is.
   * @throws Refused checkpoint_not_found, checkpoint_in_use, files_unreachable, removal_failed
   */
  async deprecate(id: string, why: string): Promise<void> {
    const { records } = this.context;
    const row = records.checkpoint(id);
    if (!row) throw new Refused("checkpoint_not_found", `there is no checkpoint ${id}`);
    if (row.deprecatedAt !== null) return;
    if (row.status !== "ready" && row.status !== "error")
      throw new Refused("checkpoint_in_use", `checkpoint ${id} is being made`);
    if (records.inUse(id)) throw new Refused("checkpoint_in_use", `a pod is being restored from checkpoint ${id}`);
    // Marked first, so that no restore begins meanwhile; and noted, in case this process ends before the files are
    // gone.
    records.atomically(() => {
      this.ask(id, row.nodeName);
      records.updateCheckpoint(id, { deprecatedAt: now(), deprecatedWhy: why });
    });
    try {
      if (row.status === "ready") await this.removeFiles(row);
      records.forgetRemoval(id);
    } catch (error) {
      records.atomically(() => {
        records.forgetRemoval(id);
        records.updateCheckpoint(id, { deprecatedAt: null, deprecatedWhy: null });
      });
      throw error;
    }
    this.context.log.info({ checkpoint: id, node: row.nodeName, bytes: row.bytes, why }, "checkpoint removed");
  }

  /**
   * Removes the oldest checkpoints of a container, and of its node, beyond what is kept; never the one given, or one in
   * use.
   */
  async retain(newest: CheckpointRow): Promise<void> {
    const { records, config } = this.context;
    const spare = (row: Pick<CheckpointRow, "id">): boolean => row.id !== newest.id && !records.inUse(row.id);
    const ofContainer = records.keptOf(newest.podId, newest.containerName);
    for (const row of ofContainer.slice(0, Math.max(0, ofContainer.length - config.PROPAGATOR_KEEP)).filter(spare))
      await this.retire(row, `only ${config.PROPAGATOR_KEEP} are kept of one container`);
    const onNode = records.kept(newest.nodeName);
    let bytes = onNode.reduce((sum, row) => sum + (row.bytes ?? 0), 0);
    for (const row of onNode.filter(spare)) {
      if (bytes <= config.PROPAGATOR_MAX_BYTES) return;
      await this.retire(row, `a node keeps ${config.PROPAGATOR_MAX_BYTES} bytes`);
      bytes -= row.bytes ?? 0;
    }
  }

  /** Notes that files of this id may lie on the node and are worth nothing. */
  ask(id: string, nodeName: string): void {
    this.context.records.askRemoval({ id, nodeName, askedAt: now() });
  }

  /** Removes what was asked for, as far as the nodes can be asked now. */
  async work(): Promise<void> {
    // What is asked for while others are removed is not among those.
    while (this.working) await this.working;
    await (this.working = this.workOnce().finally(() => {
      this.working = undefined;
    }));
  }

  /** Removes all checkpoints. @returns how many, and the ids of those that could not be */
  async purge(): Promise<{ removed: number; left: string[] }> {
    const { records } = this.context;
    const rows = records.checkpoints({ deprecated: false });
    const left: string[] = [];
    for (const { id } of rows) await this.deprecate(id, "the propagator is uninstalled").catch(() => left.push(id));
    await this.work();
    return { removed: rows.length - left.length, left: [...left, ...records.removals().map(({ id }) => id)] };
  }

  private async workOnce(): Promise<void> {
    const { records, log } = this.context;
    for (const { id, nodeName } of records.removals()) {
      try {
        const agent = await agentOn(this.context, nodeName);
        if (!agent) continue;
        await agent.remove(id);
        records.forgetRemoval(id);
      } catch (error) {
        log.warn(
          { checkpoint: id, node: nodeName, error: (error as Error).message },
          "files could not be removed, trying again later",
        );
      }
    }
  }

  private async retire(row: Pick<CheckpointRow, "id" | "nodeName">, why: string): Promise<void> {
    await this.deprecate(row.id, why).catch((error: unknown) => {
      this.context.log.warn(
        { checkpoint: row.id, node: row.nodeName, error: (error as Error).message },
        "a checkpoint beyond what is kept could not be removed",
      );
    });
  }

  private async removeFiles({ id, nodeName }: CheckpointRow): Promise<void> {
    const agent = await agentOn(this.context, nodeName);
    if (!agent)
      throw new Refused(
        "files_unreachable",
        `the files of checkpoint ${id} lie on node ${nodeName}, which has no ready agent`,
      );
    await agent.remove(id).catch((error: unknown) => {
      throw new Refused(
        "removal_failed",
        `node ${nodeName} could not remove the files of checkpoint ${id}: ${error instanceof Failed ? error.message : String(error)}`,
      );
    });
  }
}
