import { setTimeout as delay } from "node:timers/promises";
import { now } from "../ids";
import type { SessionRow } from "../store/store";
import type { Cargos } from "./cargos";
import type { ServiceContext } from "./context";
import type { Sessions } from "./sessions";

/** What the end of an earlier Bay left, by what was done about it. */
export interface RecoveryReport {
  /** Sessions that ran on and are used again. */
  adopted: number;
  /** Sessions whose compute was gone. */
  lost: number;
  /** Compute that no record wants, removed. */
  removedSessions: number;
  /** Managed volumes that no live sandbox has, removed. */
  removedCargos: number;
  errors: string[];
}

const RETRY_MS = 1_000;
const RETRY_MOST_MS = 30_000;

/**
 * Brings records and cluster together after a start: an earlier Bay may have ended in the middle of anything. It may
 * run while requests are served: every step looks again under the sandbox's lock, and a record is always written
 * before the pod or the volume that it stands for is made.
 */
export class Recovery {
  private readonly startedAt = now();

  constructor(private readonly context: ServiceContext, private readonly parts: { sessions: Sessions; cargos: Cargos }) {}

  /**
   * Ends what no process works on any more, in the records alone: half-made sessions are as stopped, so that the next
   * call starts them anew. To be called before requests are served. Gives the number of such sessions.
   */
  settle(): number {
    const { store } = this.context;
    const halfMade = store.sessionsIn("pending", "starting", "stopping");
    store.atomically(() => {
      for (const { id, sandboxId } of halfMade) {
        store.updateSession(id, { state: "stopped", endpoints: null });
        store.updateSandbox(sandboxId, { idleExpiresAt: null });
      }
    });
    return halfMade.length;
  }

  /** Compares with the cluster, and again after a pause while that cannot be reached, until `stop`. Gives undefined when it was stopped. */
  async run(stop: AbortSignal): Promise<RecoveryReport | undefined> {
    for (let pause = RETRY_MS; !stop.aborted; pause = Math.min(pause * 2, RETRY_MOST_MS)) {
      try {
        const report = await this.reconcile();
        this.context.log.info({ recovery: report }, "records and cluster agree");
        return report;
      } catch (error) {
        this.context.log.warn({ error: (error as Error).message, againInMs: pause }, "the cluster cannot be compared with the records yet");
        await delay(pause, undefined, { signal: stop }).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Compares once. @throws DriverError when the cluster cannot be listed */
  async reconcile(): Promise<RecoveryReport> {
    const { store, driver } = this.context;
    const report: RecoveryReport = { adopted: 0, lost: 0, removedSessions: 0, removedCargos: 0, errors: [] };
    const [sessions, cargos] = await Promise.all([driver.listSessions(), driver.listManagedCargos()]);
    for (const session of store.sessionsIn("running")) {
      await this.attempt(report, session.id, async () => { report[await this.parts.sessions.adopt(session)] += 1; });
    }
    for (const { sessionId, sandboxId } of sessions) {
      await this.attempt(report, sessionId, async () => { if (await this.parts.sessions.removeUnwanted(sessionId, sandboxId)) report.removedSessions += 1; });
    }
    for (const cargo of store.orphanCargos(this.startedAt)) {
      await this.attempt(report, cargo.id, async () => { await this.parts.cargos.drop(cargo); report.removedCargos += 1; });
    }
    for (const id of cargos.filter((each) => !store.cargo(each))) {
      await this.attempt(report, id, async () => { await driver.deleteCargo(id); report.removedCargos += 1; });
    }
    return report;
  }

  private async attempt(report: RecoveryReport, id: SessionRow["id"], act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      report.errors.push(`${id}: ${(error as Error).message}`);
    }
  }
}
