import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { ContainerSpec } from "../../src/config/profiles";
import {
  type CargoVolume,
  type Driver,
  DriverError,
  type DriverFailure,
  type ListedCargo,
  type ListedSession,
  type SessionCondition,
  type SessionSpec,
} from "../../src/driver/driver";
import { type RunningShip, startShip } from "../../../ship/test/support/start-ship";

/** A driver whose pods are local Ship processes and whose volumes are folders. */
export class ShipDriver implements Driver {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), "bay-test-"));
  readonly ships = new Map<string, { ship: RunningShip; spec: SessionSpec }>();
  readonly volumes = new Set<string>();
  /** What is written on each volume; a test may make any up. */
  readonly written = new Map<string, ListedCargo>();
  /** What was asked for, e.g. `start sess-…`. */
  readonly calls: string[] = [];
  /** Makes the next starts fail. */
  failStarts: DriverFailure | undefined;
  /** Makes the making of volumes fail. */
  failVolumes: DriverFailure | undefined;
  /** Makes lists of volumes fail. */
  unreachable = false;
  /** Whether volumes may be marked. */
  mayMark = true;
  /** Whether runtimes of the next starts ask for their session's token. */
  takesToken = true;
  /** Holds starts until it resolves. */
  gate: Promise<void> | undefined;
  /** Holds removals until it resolves. */
  removalGate: Promise<void> | undefined;

  async createCargo(cargo: CargoVolume): Promise<void> {
    this.calls.push(`volume ${cargo.id}`);
    if (this.failVolumes) return Promise.reject(new DriverError(this.failVolumes, "no volume today"));
    this.volumes.add(cargo.id);
    this.written.set(cargo.id, { ...cargo, createdAt: Date.now(), marked: false });
    mkdirSync(path.join(this.folder, cargo.id));
  }

  deleteCargo(id: string): Promise<void> {
    this.calls.push(`delete volume ${id}`);
    this.volumes.delete(id);
    this.written.delete(id);
    rmSync(path.join(this.folder, id), { recursive: true, force: true });
    return Promise.resolve();
  }

  async startSession(spec: SessionSpec): Promise<Record<string, string>> {
    this.calls.push(`start ${spec.id}`);
    await this.gate;
    if (this.failStarts) throw new DriverError(this.failStarts, `cannot start: ${this.failStarts}`);
    const ship = await startShip(path.join(this.folder, spec.cargoId), {
      ...spec.containers[0]!.env,
      ...(this.takesToken ? { SHIP_TOKEN_SHA256: spec.verifier } : {}),
    });
    this.ships.set(spec.id, { ship, spec });
    return Object.fromEntries(spec.containers.map(({ name }) => [name, ship.url]));
  }

  inspectSession(sessionId: string): Promise<SessionCondition> {
    const alive = this.ships.has(sessionId);
    return Promise.resolve(alive ? { alive } : { alive, failure: "gone", message: "the process is gone" });
  }

  async whyLost(sessionId: string): Promise<SessionCondition | undefined> {
    const found = this.ships.get(sessionId);
    if (!found) return { alive: false, failure: "gone", message: "the process is gone" };
    const ended = await Promise.race([
      found.ship.ended.then(() => true),
      new Promise((resolve) => setTimeout(resolve, 2_000)),
    ]);
    return ended ? { alive: false, failure: "oom", message: "out of memory" } : undefined;
  }

  async destroySession(sessionId: string): Promise<void> {
    this.calls.push(`destroy ${sessionId}`);
    await this.removalGate;
    const found = this.ships.get(sessionId);
    this.ships.delete(sessionId);
    await found?.ship.stop({ clean: false });
  }

  locateSession(sessionId: string, containers: ContainerSpec[]): Promise<Record<string, string> | undefined> {
    const url = this.ships.get(sessionId)?.ship.url;
    return Promise.resolve(
      url === undefined ? undefined : Object.fromEntries(containers.map(({ name }) => [name, url])),
    );
  }

  listCargos(): Promise<ListedCargo[]> {
    return this.unreachable
      ? Promise.reject(new DriverError("unreachable", "no cluster today"))
      : Promise.resolve([...this.written.values()].map((each) => ({ ...each })));
  }

  markCargo(id: string, setAside: boolean): Promise<boolean> {
    this.calls.push(`mark ${id} ${setAside}`);
    const volume = this.written.get(id);
    if (volume && this.mayMark) volume.marked = setAside;
    return Promise.resolve(this.mayMark);
  }

  /** Makes a volume that no record knows, as an older Bay (without origin) or another database made it. */
  async strangeVolume(id: string, more: Partial<ListedCargo> = {}): Promise<void> {
    await this.createCargo({
      id,
      owner: "default",
      managed: true,
      sandboxId: null,
      profileId: null,
      sizeLimitMb: 1024,
      origin: "",
    });
    Object.assign(this.written.get(id)!, { origin: null, owner: "default", ...more });
  }

  listSessions(): Promise<ListedSession[]> {
    return Promise.resolve(
      [...this.ships.values()].map(({ spec }) => ({
        sessionId: spec.id,
        sandboxId: spec.sandboxId,
        cargoId: spec.cargoId,
        owner: spec.owner,
        profileId: spec.profileId,
        origin: spec.origin,
        ending: false,
      })),
    );
  }

  /** Nothing of the cluster is touched: another Bay may come. */
  close(): void {
    this.calls.push("close");
  }

  /** Puts an empty file into a volume. */
  write(cargoId: string, name: string): void {
    writeFileSync(path.join(this.folder, cargoId, name), "");
  }

  /** Number of calls that begin with `what`. */
  count(what: string): number {
    return this.calls.filter((call) => call.startsWith(what)).length;
  }

  async end(): Promise<void> {
    await Promise.all([...this.ships.keys()].map((id) => this.destroySession(id)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
