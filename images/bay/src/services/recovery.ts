import { setTimeout as delay } from "node:timers/promises";
import type { ListedSession } from "../driver/driver";
import { BayError } from "../errors";
import { now } from "../ids";
import type { Locks } from "../../../common/src/locks";
import { type Adopted, type AdoptAs, type Adoption, sessionsOf, volumesOf } from "./adoption";
import type { Cargos } from "./cargos";
import type { ServiceContext } from "./context";
import type { Sessions } from "./sessions";
import type { Listed, SetAside, SetAsideItem } from "./set-aside";

/** What the end of an earlier Bay left, by what was done about it. */
export interface RecoveryReport {
  /** Sessions that ran on and are used again. */
  adopted: number;
  /** Sessions whose compute was gone. */
  lost: number;
  /** Compute that this database made and that no record wants, removed. */
  removedSessions: number;
  /** Managed volumes that this database made and that no live sandbox has, removed. */
  removedCargos: number;
  /** Volumes and compute that this database knows nothing of: they stay. */
  setAside: number;
  errors: string[];
}

const RETRY_MS = 1_000;
const RETRY_MOST_MS = 30_000;

/**
 * Brings records and cluster together after a start. What the records do not explain is set aside (see `SetAside`):
 * only what this database made, or had, is removed. An earlier Bay may have ended in the middle of anything. It may
 * run while requests are served: every step looks again under the sandbox's lock, and a record is always written
 * before the pod or the volume that it stands for is made.
 */
export class Recovery {
  private readonly startedAt = now();

  constructor(
    private readonly context: ServiceContext,
    private readonly parts: { sessions: Sessions; cargos: Cargos; locks: Locks; aside: SetAside; adoption: Adoption },
  ) {}

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

  /**
   * Compares with the cluster, and again after a pause while that cannot be reached, until `stop`. Gives undefined when
   * it was stopped.
   */
  async run(stop: AbortSignal): Promise<RecoveryReport | undefined> {
    for (let pause = RETRY_MS; !stop.aborted; pause = Math.min(pause * 2, RETRY_MOST_MS)) {
      try {
        const report = await this.reconcile();
        if (report.setAside > 0)
          this.context.log.warn(
            { recovery: report },
            "the cluster has volumes or pods that the database knows nothing of; see GET /v1/admin/recovery",
          );
        else this.context.log.info({ recovery: report }, "records and cluster agree");
        return report;
      } catch (error) {
        this.context.log.warn(
          { error: (error as Error).message, againInMs: pause },
          "the cluster cannot be compared with the records yet",
        );
        await delay(pause, undefined, { signal: stop }).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Compares once. @throws DriverError when the cluster cannot be listed */
  async reconcile(): Promise<RecoveryReport> {
    const { store, driver } = this.context;
    const report: RecoveryReport = {
      adopted: 0,
      lost: 0,
      removedSessions: 0,
      removedCargos: 0,
      setAside: 0,
      errors: [],
    };
    const listed = await this.list();
    for (const session of store.sessionsIn("running")) {
      await attempt(report, session.id, async () => {
        report[await this.parts.sessions.adopt(session)] += 1;
      });
    }
    for (const session of listed.sessions.filter(({ sessionId }) => sessionId !== "")) {
      await attempt(report, session.sessionId, async () => {
        const done = await this.settleSession(session);
        if (done) report[done] += 1;
      });
    }
    report.setAside = (await this.parts.aside.look(listed)).length;
    // Where something is unknown, a sandbox without a record may be one whose record was lost.
    for (const cargo of store.orphanCargos(report.setAside > 0 ? 0 : this.startedAt)) {
      await attempt(report, cargo.id, async () => {
        await this.parts.cargos.drop(cargo);
        report.removedCargos += 1;
      });
    }
    for (const volume of listed.volumes) {
      const { id, managed } = volume;
      const forgotten =
        managed && !store.cargo(id) && this.parts.aside.knowsVolume(volume) && store.sandboxesOn(id).length === 0;
      if (forgotten)
        await attempt(report, id, async () => {
          await driver.deleteCargo(id);
          report.removedCargos += 1;
        });
    }
    return report;
  }

  /** What is set aside now, and the number of all volumes of this instance. @throws DriverError */
  async setAside(): Promise<{ items: SetAsideItem[]; volumes: number }> {
    const listed = await this.list();
    return { items: await this.parts.aside.look(listed), volumes: listed.volumes.length };
  }

  /**
   * Removes of what is set aside that which may go now.
   * @param one Is told the outcome of each: an error, or undefined.
   * @throws DriverError when the cluster cannot be listed
   */
  async removeDue(one: (id: string, error?: Error) => void): Promise<void> {
    const listed = await this.list();
    const mounted = new Set(listed.sessions.map(({ cargoId }) => cargoId));
    const items = (await this.parts.aside.look(listed)).filter(
      (item) => item.kind === "session" || !mounted.has(item.id),
    );
    for (const item of this.parts.aside.due(items, listed.volumes.length)) {
      try {
        if (await this.removeSetAside(item)) one(item.id);
      } catch (error) {
        one(item.id, error as Error);
      }
    }
  }

  /**
   * Adopts volumes that are set aside, with the pods that run on them.
   * @param ids of volumes; null: all
   * @param ttlSeconds of sandboxes that are restored; null: they do not end by themselves
   * @throws DriverError when the cluster cannot be listed
   */
  async adopt(
    ids: string[] | null,
    as: AdoptAs,
    ttlSeconds: number | null,
  ): Promise<{ adopted: Adopted[]; errors: { id: string; message: string }[] }> {
    const { items } = await this.setAside();
    const volumes = new Map(volumesOf(items).map((volume) => [volume.id, volume]));
    const adopted: Adopted[] = [];
    const errors: { id: string; message: string }[] = [];
    for (const id of new Set(ids ?? volumes.keys())) {
      try {
        // One after another, and only what is still unknown: a second call may run beside this one.
        adopted.push(
          await this.parts.locks.run(`adopt ${id}`, async () => {
            const volume = volumes.get(id);
            if (!volume || this.parts.aside.knowsVolume(volume))
              throw new BayError("not_found", `volume ${id} is not set aside`);
            return this.parts.adoption.adopt(volume, as, ttlSeconds, sessionsOf(items));
          }),
        );
      } catch (error) {
        errors.push({ id, message: (error as Error).message });
      }
    }
    if (adopted.length > 0) this.context.log.warn({ adopted }, "volumes that were set aside were adopted");
    await this.setAside(); // takes the marks off
    return { adopted, errors };
  }

  private async list(): Promise<Listed> {
    const [sessions, volumes] = await Promise.all([
      this.context.driver.listSessions(),
      this.context.driver.listCargos(),
    ]);
    return { sessions, volumes };
  }

  /**
   * Removes compute that no record wants, takes over what is newer than the records, and leaves what they do not know.
   */
  private async settleSession(session: ListedSession): Promise<"removedSessions" | "adopted" | undefined> {
    const { store } = this.context;
    const { sessionId, sandboxId, origin } = session;
    const newer = store.session(sessionId)
      ? origin !== null && !store.madeHere(origin)
      : !this.parts.aside.knowsSession(session);
    if (!newer) return (await this.parts.sessions.removeUnwanted(sessionId, sandboxId)) ? "removedSessions" : undefined;
    if (session.ending) return undefined;
    const taken = await this.parts.locks.run(sandboxId, () => this.parts.adoption.adoptSession(session));
    return taken ? "adopted" : undefined;
  }

  private async removeSetAside(item: SetAsideItem): Promise<boolean> {
    const { driver } = this.context;
    if (item.kind === "volume") {
      if (this.parts.aside.knowsVolume(item.volume)) return false; // adopted meanwhile
      await driver.deleteCargo(item.id);
    } else {
      if (this.parts.aside.knowsSession(item.session)) return false;
      await driver.destroySession(item.id, { wait: false });
    }
    this.parts.aside.removed(item);
    return true;
  }
}

async function attempt(report: RecoveryReport, id: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    report.errors.push(`${id}: ${(error as Error).message}`);
  }
}
