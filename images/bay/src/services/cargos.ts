import { BayError, notFound, overLimit } from "../errors";
import { newId, now } from "../ids";
import type { CargoRow } from "../store/store";
import { requireRoom, type ServiceContext } from "./context";
import { fromDriver } from "./failures";

/** Volumes: managed ones live and die with their sandbox, external ones belong to the client. */
export class Cargos {
  constructor(private readonly context: ServiceContext) {}

  /** Makes the row and the volume; a sandbox makes it a managed one. */
  async create(
    owner: string,
    sizeLimitMb: number | null,
    sandbox: { id: string; profileId: string } | null,
  ): Promise<CargoRow> {
    const { store, driver, config } = this.context;
    requireRoom(this.context);
    const most = config.limits.cargos_per_owner;
    if (sandbox === null && store.countCargos(owner) >= most)
      throw overLimit(`this owner has ${most} cargos, which is the limit`, { reason: "cargos" });
    const at = now();
    const row: CargoRow = {
      id: newId("ws"),
      owner,
      managed: sandbox !== null,
      managedBySandboxId: sandbox?.id ?? null,
      sizeLimitMb: sizeLimitMb ?? config.cargo.default_size_limit_mb,
      createdAt: at,
      lastAccessedAt: at,
    };
    store.insertCargo(row);
    try {
      await driver.createCargo({
        id: row.id,
        owner,
        managed: row.managed,
        sandboxId: row.managedBySandboxId,
        profileId: sandbox?.profileId ?? null,
        sizeLimitMb: row.sizeLimitMb,
        origin: store.nextOrigin(),
      });
    } catch (error) {
      store.deleteCargo(row.id);
      throw fromDriver(error, sandbox?.id ?? row.id);
    }
    return row;
  }

  /** A cargo of this owner. @throws BayError not_found */
  get(owner: string, id: string): CargoRow {
    const row = this.context.store.cargo(id);
    if (!row || row.owner !== owner) throw notFound("cargo", id);
    return row;
  }

  list(
    owner: string,
    managed: boolean,
    cursor: string | null,
    limit: number,
  ): { items: CargoRow[]; nextCursor: string | null } {
    const rows = this.context.store.cargosAfter(owner, managed, cursor, limit + 1);
    const items = rows.slice(0, limit);
    return { items, nextCursor: rows.length > limit ? items.at(-1)!.id : null };
  }

  /** A cargo that a new sandbox may mount: one of the client's own making. */
  attachable(owner: string, id: string): CargoRow {
    const row = this.get(owner, id);
    if (row.managed) {
      throw new BayError(
        "conflict",
        `cargo ${id} belongs to a sandbox and goes with it; make one by POST /v1/cargos to share it`,
        { managed_by_sandbox_id: row.managedBySandboxId },
      );
    }
    return row;
  }

  /** Deletes on behalf of a client: not while a sandbox uses it. */
  async remove(owner: string, id: string): Promise<void> {
    const row = this.get(owner, id);
    const users = this.context.store.sandboxesOn(id).map((sandbox) => sandbox.id);
    if (row.managed && users.length > 0)
      throw new BayError("conflict", `cargo ${id} is managed by a sandbox; delete that`, {
        managed_by_sandbox_id: row.managedBySandboxId,
      });
    if (users.length > 0) throw new BayError("conflict", `cargo ${id} is in use`, { active_sandbox_ids: users });
    await this.drop(row);
  }

  /** Deletes row and volume. The row goes first: from then on no sandbox can take the cargo. */
  async drop(row: CargoRow): Promise<void> {
    this.context.store.deleteCargo(row.id);
    try {
      await this.context.driver.deleteCargo(row.id);
    } catch (error) {
      this.context.store.insertCargo(row);
      throw fromDriver(error, row.managedBySandboxId ?? row.id);
    }
  }
}
