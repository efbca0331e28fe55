import type { ListedCargo, ListedSession } from "../driver/driver";
import { now } from "../ids";
import type { SetAsideRow } from "../store/store";
import type { ServiceContext } from "./context";

/** Volumes and pods of this instance, as the cluster has just listed them. */
export interface Listed {
  volumes: ListedCargo[];
  sessions: ListedSession[];
}

/** Something that is set aside, with what the cluster says of it. */
export type SetAsideItem = SetAsideRow &
  ({ kind: "volume"; volume: ListedCargo } | { kind: "session"; session: ListedSession });

/** Names of at most so many go into one line of the log. */
const NAMED = 50;
/** The share that may be removed is one of this much time. */
const SHARE_MS = 3_600_000;

/**
 * What the database knows nothing of: volumes and pods of this instance that another database made, or this one after
 * the backup that it was restored from. They are set aside, not removed: they may be all that users have. An operator
 * adopts them, or says by `recovery.remove_unknown` that they may go, after `recovery.grace_seconds`, a share at a
 * time.
 *
 * The grace time is one in which Bay runs and looks: a clock that jumps, or a Bay that is down, does not use it up.
 */
export class SetAside {
  private lookedAt: number | undefined;
  private mayMark = true;
  private removals: number[] = [];
  private waitingForShare = false;

  constructor(private readonly context: ServiceContext) {}

  /**
   * Whether this database knows what a volume is: it has a record of it, or made it, or had it in a deleted sandbox.
   */
  knowsVolume({ id, origin }: Pick<ListedCargo, "id" | "origin">): boolean {
    const { store } = this.context;
    return store.cargo(id) !== undefined || store.madeHere(origin) || store.sandboxesEverOn(id).length > 0;
  }

  /** The same of a pod: a sandbox that lives is no proof, because the pod may be newer than the database. */
  knowsSession({ sessionId, sandboxId, origin }: ListedSession): boolean {
    const { store } = this.context;
    return (
      store.session(sessionId) !== undefined ||
      store.madeHere(origin) ||
      (store.sandbox(sandboxId)?.deletedAt ?? null) !== null
    );
  }

  /** Things set aside now, by kind; as the last look found them. */
  count(kind: SetAsideRow["kind"]): number {
    return this.context.store.setAside().filter((row) => row.kind === kind).length;
  }

  /** What of a list is set aside. Writes down what is new, forgets what is gone, and lets the grace time run. */
  async look(listed: Listed): Promise<SetAsideItem[]> {
    const { store, log, config } = this.context;
    const at = now();
    const passed = this.lookedAt === undefined ? 0 : at - this.lookedAt;
    this.lookedAt = at;
    const before = new Map(store.setAside().map((row) => [row.id, row]));
    const row = (id: string, kind: SetAsideRow["kind"]): SetAsideRow => {
      const known = before.get(id);
      return known ? { ...known, waitedMs: known.waitedMs + passed } : { id, kind, since: at, waitedMs: 0 };
    };
    const items: SetAsideItem[] = [
      ...listed.volumes
        .filter((volume) => !this.knowsVolume(volume))
        .map((volume) => ({ ...row(volume.id, "volume"), kind: "volume" as const, volume })),
      ...listed.sessions
        .filter((session) => session.sessionId !== "" && !session.ending && !this.knowsSession(session))
        .map((session) => ({ ...row(session.sessionId, "session"), kind: "session" as const, session })),
    ];
    const present = new Set(items.map(({ id }) => id));
    store.atomically(() => {
      for (const { id, kind, since, waitedMs } of items) store.saveSetAside({ id, kind, since, waitedMs });
      for (const id of before.keys()) if (!present.has(id)) store.deleteSetAside(id);
    });
    const fresh = items.filter(({ id }) => !before.has(id));
    if (fresh.length > 0) {
      const { grace_seconds, remove_unknown } = config.recovery;
      log.warn(
        {
          volumes: namesOf(fresh, "volume"),
          sessions: namesOf(fresh, "session"),
          setAside: items.length,
          ofVolumes: listed.volumes.length,
          graceSeconds: grace_seconds,
          removeUnknown: remove_unknown,
          list: "GET /v1/admin/recovery",
          adopt: "POST /v1/admin/recovery/adopt {}",
        },
        `the database knows nothing of ${fresh.length} volumes and pods of this instance: they are set aside and not removed${
          remove_unknown ? ` before ${grace_seconds} s have passed` : " until recovery.remove_unknown says so"
        }; adopting them gives their files back`,
      );
    }
    await this.mark(listed.volumes, present);
    return items;
  }

  /**
   * Those that may be removed now: their grace time has passed, the operator has said so, and they are no more than the
   * share of an hour. Volumes of clients never are.
   * @param total of the volumes of this instance
   */
  due(items: SetAsideItem[], total: number): SetAsideItem[] {
    const { remove_unknown, grace_seconds, max_share } = this.context.config.recovery;
    if (!remove_unknown) return [];
    const ripe = items.filter(
      (item) => item.waitedMs >= grace_seconds * 1000 && (item.kind === "session" || item.volume.managed),
    );
    this.removals = this.removals.filter((at) => now() - at < SHARE_MS);
    // What is gone already counts in the whole of which this is a share, or the share would shrink with every removal.
    const left = Math.max(
      0,
      Math.max(1, Math.floor((total + this.removals.length) * max_share)) - this.removals.length,
    );
    const due = ripe.slice(0, left);
    const waits = due.length < ripe.length;
    if (waits && !this.waitingForShare) {
      this.context.log.warn(
        { removable: ripe.length, removedNow: due.length, maxShare: max_share },
        "more may be removed than recovery.max_share allows in an hour; the rest waits",
      );
    }
    this.waitingForShare = waits;
    return due;
  }

  /** To be told of each removal of something that was due. */
  removed(item: SetAsideItem): void {
    this.removals.push(now());
    this.context.store.deleteSetAside(item.id);
    this.context.log.warn(
      { [item.kind]: item.id, setAsideSince: new Date(item.since).toISOString() },
      "removed what was set aside, as recovery.remove_unknown says",
    );
  }

  /** Marks in the cluster what is set aside, and takes off marks of what is not any more. */
  private async mark(volumes: ListedCargo[], present: Set<string>): Promise<void> {
    for (const { id, marked } of volumes) {
      if (marked === present.has(id) || !this.mayMark) continue;
      try {
        this.mayMark = await this.context.driver.markCargo(id, !marked);
        if (!this.mayMark)
          this.context.log.info(
            {},
            "Bay may not label volumes (patch persistentvolumeclaims): what is set aside stands in its database alone",
          );
      } catch (error) {
        this.context.log.warn(
          { volume: id, error: (error as Error).message },
          "a volume could not be marked as set aside",
        );
      }
    }
  }
}

function namesOf(items: SetAsideItem[], kind: SetAsideRow["kind"]): string[] {
  const names = items.filter((item) => item.kind === kind).map(({ id }) => id);
  return names.length <= NAMED ? names : [...names.slice(0, NAMED), `and ${names.length - NAMED} more`];
}
