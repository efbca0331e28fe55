import { labelValue } from "../driver/kubernetes/objects";
import { BayError } from "../errors";
import { now } from "../ids";
import type { Locks } from "../../../common/src/locks";
import type { ListedCargo, ListedSession } from "../driver/driver";
import type { ServiceContext } from "./context";
import type { Sessions } from "./sessions";
import type { SetAsideItem } from "./set-aside";

/**
 * What a volume becomes: a client's own cargo, or the sandbox that it was made with. `auto`: the sandbox where its
 * volume names one.
 */
export const ADOPT_AS = ["auto", "cargo", "sandbox"] as const;
export type AdoptAs = (typeof ADOPT_AS)[number];

export interface Adopted {
  cargo_id: string;
  as: "cargo" | "sandbox";
  owner: string;
  sandbox_id: string | null;
  /** The session that runs on with its variables. */
  session_id: string | null;
}

/** Makes records again for volumes and pods that are set aside. */
export class Adoption {
  constructor(
    private readonly context: ServiceContext,
    private readonly parts: { sessions: Sessions; locks: Locks },
  ) {}

  /**
   * Adopts one volume, and with its sandbox the pod that runs on it.
   * @param ttlSeconds of the sandbox; null: it does not end by itself
   * @param sessions that are set aside
   * @throws BayError conflict where the sandbox cannot be told, exists already or was deleted
   */
  async adopt(
    volume: ListedCargo,
    as: AdoptAs,
    ttlSeconds: number | null,
    sessions: ListedSession[],
  ): Promise<Adopted> {
    const running = sessions.find(
      ({ cargoId, sandboxId }) =>
        cargoId === volume.id && (volume.sandboxId === null || sandboxId === volume.sandboxId),
    );
    const sandboxId = volume.managed ? (volume.sandboxId ?? (running?.sandboxId || null)) : null;
    const known = sandboxId === null ? undefined : this.context.store.sandbox(sandboxId);
    if (as === "sandbox" && (sandboxId === null || known)) {
      const why =
        sandboxId === null
          ? "it does not say which sandbox it was made with"
          : `there is a record of ${sandboxId} already`;
      throw new BayError("conflict", `volume ${volume.id} cannot become a sandbox: ${why}; adopt it as "cargo"`);
    }
    const owner = volume.owner || running?.owner || "default";
    if (as === "cargo" || sandboxId === null || known) return this.asCargo(volume, owner);
    return this.parts.locks.run(sandboxId, () => this.asSandbox(volume, owner, sandboxId, ttlSeconds, running));
  }

  /** Takes over a pod of a sandbox whose record is older than the pod. The caller holds the sandbox's lock. */
  async adoptSession(session: ListedSession): Promise<boolean> {
    const { store } = this.context;
    const sandbox = store.sandbox(session.sandboxId);
    if (
      !sandbox ||
      sandbox.deletedAt !== null ||
      sandbox.cargoId !== session.cargoId ||
      labelValue(sandbox.profileId) !== session.profileId
    )
      return false;
    const current = sandbox.sessionId === null ? undefined : store.session(sandbox.sessionId);
    if (current && ["running", "starting", "stopping"].includes(current.state)) return false;
    return this.parts.sessions.take(session.sessionId, sandbox);
  }

  private asCargo(volume: ListedCargo, owner: string): Adopted {
    const { store, config } = this.context;
    store.atomically(() => {
      store.insertCargo({
        id: volume.id,
        owner,
        managed: false,
        managedBySandboxId: null,
        sizeLimitMb: volume.sizeLimitMb ?? config.cargo.default_size_limit_mb,
        createdAt: volume.createdAt ?? now(),
        lastAccessedAt: now(),
      });
      store.deleteSetAside(volume.id);
    });
    return { cargo_id: volume.id, as: "cargo", owner, sandbox_id: null, session_id: null };
  }

  private async asSandbox(
    volume: ListedCargo,
    owner: string,
    sandboxId: string,
    ttlSeconds: number | null,
    running?: ListedSession,
  ): Promise<Adopted> {
    const { store, config, profiles } = this.context;
    const profileId =
      volume.profileId ??
      [...profiles.keys()].find((id) => labelValue(id) === running?.profileId) ??
      [...profiles.keys()][0]!;
    const createdAt = volume.createdAt ?? now();
    store.atomically(() => {
      store.insertCargo({
        id: volume.id,
        owner,
        managed: true,
        managedBySandboxId: sandboxId,
        sizeLimitMb: volume.sizeLimitMb ?? config.cargo.default_size_limit_mb,
        createdAt,
        lastAccessedAt: now(),
      });
      store.insertSandbox({
        id: sandboxId,
        owner,
        profileId,
        cargoId: volume.id,
        createdAt,
        expiresAt: ttlSeconds === null ? null : now() + ttlSeconds * 1000,
        idleExpiresAt: null,
        sessionId: null,
        deletedAt: null,
      });
      store.deleteSetAside(volume.id);
    });
    const lives = running !== undefined && (await this.adoptSession(running).catch(() => false));
    return {
      cargo_id: volume.id,
      as: "sandbox",
      owner,
      sandbox_id: sandboxId,
      session_id: lives ? running.sessionId : null,
    };
  }
}

/** Volumes among what is set aside. */
export const volumesOf = (items: SetAsideItem[]): ListedCargo[] =>
  items.flatMap((item) => (item.kind === "volume" ? [item.volume] : []));
/** Pods among what is set aside. */
export const sessionsOf = (items: SetAsideItem[]): ListedSession[] =>
  items.flatMap((item) => (item.kind === "session" ? [item.session] : []));
