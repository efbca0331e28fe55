import type { Profile } from "../config/profiles";
import { BayError, notFound, overLimit } from "../errors";
import { isoTime, newId, now, timeAfter } from "../ids";
import { HEALTH } from "../runtime/answers";
import { callRuntime } from "../runtime/client";
import type { SandboxRow } from "../store/store";
import type { Cargos } from "./cargos";
import { requireRoom, type ServiceContext } from "./context";
import { isBroken } from "../../../common/src/table";
import type { Locks } from "../../../common/src/locks";
import type { Sessions } from "./sessions";
import { type SandboxStatus, STATUSES, statusOf } from "./status";

/** What a client may learn of a container. */
export interface ContainerView {
  name: string;
  runtime_type: string;
  status: string;
  version: string | null;
  capabilities: string[];
  healthy: boolean | null;
}

export interface NewSandbox {
  profile: string;
  cargo_id: string | null;
  /** Seconds; null, zero and less for no end. */
  ttl: number | null;
}

/** Limit for asking a runtime about itself while a client only wants to look. */
const LOOK_MS = 2_000;

/** The life of sandboxes: everything but what happens inside them. */
export class Sandboxes {
  /** Sandboxes that are being made, by owner. */
  private readonly made = new Map<string, number>();

  constructor(
    private readonly context: ServiceContext,
    private readonly sessions: Sessions,
    private readonly cargos: Cargos,
    private readonly locks: Locks,
  ) {}

  async create(owner: string, input: NewSandbox): Promise<SandboxRow> {
    const profile = this.profile(input.profile);
    const { store, config } = this.context;
    requireRoom(this.context);
    const most = config.limits.sandboxes_per_owner;
    if (store.countSandboxes(owner) + this.making(owner) >= most)
      throw overLimit(`this owner has ${most} sandboxes, which is the limit`, { reason: "sandboxes" });
    return this.counted(owner, () => this.make(owner, profile, input));
  }

  private async make(owner: string, profile: Profile, input: NewSandbox): Promise<SandboxRow> {
    const id = newId("sandbox");
    const cargo =
      input.cargo_id === null
        ? await this.cargos.create(owner, null, { id, profileId: profile.id })
        : this.cargos.attachable(owner, input.cargo_id);
    const createdAt = now();
    const row: SandboxRow = {
      id,
      owner,
      profileId: profile.id,
      cargoId: cargo.id,
      createdAt,
      sessionId: null,
      idleExpiresAt: null,
      deletedAt: null,
      expiresAt: input.ttl !== null && input.ttl > 0 ? timeAfter(createdAt, input.ttl) : null,
    };
    this.context.store.insertSandbox(row);
    return row;
  }

  /** A live sandbox of this owner. @throws BayError not_found */
  get(owner: string, id: string): SandboxRow {
    const row = this.context.store.sandbox(id);
    if (!row || row.owner !== owner || row.deletedAt !== null) throw notFound("sandbox", id);
    return row;
  }

  /** A page in ascending order of ids; `status` filters what was scanned, so a page may be short. */
  list(
    owner: string,
    cursor: string | null,
    limit: number,
    status: string | null,
  ): { items: SandboxRow[]; nextCursor: string | null } {
    const wanted = STATUSES.find((each) => each === status);
    const scan = wanted ? Math.max(20 * limit, 1000) : limit;
    const rows = this.context.store.sandboxesAfter(owner, cursor, scan + 1);
    const items: SandboxRow[] = [];
    let last: string | null = null;
    for (const row of rows.slice(0, scan)) {
      if (items.length === limit) break;
      last = row.id;
      if (!wanted || this.status(row) === wanted) items.push(row);
    }
    const more = rows.length > 0 && last !== rows.at(-1)!.id;
    return { items, nextCursor: more ? last : null };
  }

  status(row: SandboxRow): SandboxStatus {
    const session = row.sessionId === null ? undefined : this.context.store.session(row.sessionId);
    const state = session && isBroken(session) ? "failed" : session?.state;
    return statusOf(state ?? null, row.expiresAt !== null && row.expiresAt < now());
  }

  /** Asks the runtimes of a running session about themselves; null when nothing runs. */
  async containers(row: SandboxRow): Promise<ContainerView[] | null> {
    const session = row.sessionId === null ? undefined : this.context.store.session(row.sessionId);
    const endpoints = session?.state === "running" ? session.endpoints : null;
    const profile = this.context.profiles.get(row.profileId);
    if (!endpoints || !profile) return null;
    return Promise.all(
      profile.containers.map(async ({ name, runtimeType, capabilities }) => {
        const endpoint = { url: endpoints[name]!, token: this.context.tokens.token(session!.id) };
        const [meta, healthy] = await Promise.all([
          this.sessions.meta(endpoint, LOOK_MS).catch(() => null),
          callRuntime(endpoint, { method: "GET", path: "/health", timeoutMs: LOOK_MS }, HEALTH).then(
            ({ status }) => status === "healthy",
            () => null,
          ),
        ]);
        return {
          name,
          runtime_type: runtimeType,
          status: "running",
          version: meta?.version ?? null,
          capabilities: profile.multi ? capabilities : [],
          healthy,
        };
      }),
    );
  }

  async extendTtl(owner: string, id: string, seconds: number): Promise<SandboxRow> {
    return this.locks.run(id, async () => {
      const row = this.get(owner, id);
      if (row.expiresAt === null)
        throw new BayError("sandbox_ttl_infinite", `sandbox ${id} has no end that could be moved`, { sandbox_id: id });
      if (row.expiresAt < now())
        throw new BayError("sandbox_expired", `sandbox ${id} has expired`, {
          sandbox_id: id,
          expires_at: isoTime(row.expiresAt),
        });
      const expiresAt = timeAfter(Math.max(row.expiresAt, now()), seconds);
      this.context.store.updateSandbox(id, { expiresAt });
      return Promise.resolve({ ...row, expiresAt });
    });
  }

  keepalive(owner: string, id: string): void {
    const row = this.get(owner, id);
    this.context.store.updateSandbox(id, { idleExpiresAt: now() + this.profile(row.profileId).idleTimeout * 1000 });
  }

  /** Ends the session; the cargo stays. A sandbox that was deleted while we waited is as stopped as it can be. */
  async stop(owner: string, id: string): Promise<void> {
    this.get(owner, id);
    await this.locks.run(id, async () => {
      const row = this.context.store.sandbox(id);
      if (row && row.deletedAt === null) await this.sessions.end(row);
    });
  }

  /** Removes the sandbox; once more is no error. @throws BayError not_found when this owner never had it */
  async remove(owner: string, id: string): Promise<void> {
    const row = this.context.store.sandbox(id);
    if (!row || row.owner !== owner) throw notFound("sandbox", id);
    await this.locks.run(id, async () => {
      await this.destroy(id);
    });
  }

  /** Removes compute, record, history and managed cargo. The caller holds the sandbox's lock. */
  async destroy(id: string): Promise<void> {
    const { store } = this.context;
    const row = store.sandbox(id);
    if (!row) return;
    if (row.deletedAt === null) {
      await this.sessions.end(row);
      store.atomically(() => {
        store.updateSandbox(id, { deletedAt: now() });
        store.deleteSessionsOf(id);
        store.deleteExecutionsOf(id);
      });
    }
    // A volume that could not be deleted the first time is tried again by the next delete, or by the GC.
    const cargo = store.cargo(row.cargoId);
    if (cargo?.managed) await this.cargos.drop(cargo);
  }

  private making(owner: string): number {
    return this.made.get(owner) ?? 0;
  }

  /** Counts a sandbox that has no row yet while it is made. */
  private async counted<T>(owner: string, work: () => Promise<T>): Promise<T> {
    this.made.set(owner, this.making(owner) + 1);
    try {
      return await work();
    } finally {
      const left = this.making(owner) - 1;
      if (left > 0) this.made.set(owner, left);
      else this.made.delete(owner);
    }
  }

  /** What a sandbox can do; nothing when its profile is no longer configured. */
  capabilities({ profileId }: SandboxRow): string[] {
    return this.context.profiles.get(profileId)?.capabilities ?? [];
  }

  /** A profile of the configuration. @throws BayError validation_error */
  profile(id: string): Profile {
    const profile = this.context.profiles.get(id);
    if (!profile)
      throw new BayError(
        "validation_error",
        `unknown profile: ${id}; known are ${[...this.context.profiles.keys()].join(", ")}`,
      );
    return profile;
  }
}
