import type { ContainerSpec } from "../config/profiles";

/** Why a driver could not do what it was asked. */
export type DriverFailure =
  | "image" // not on the node, cannot be pulled
  | "unschedulable" // no node takes the pod
  | "quota" // refused by a quota
  | "crashed" // a container ended
  | "oom" // a container was ended because it used too much memory
  | "evicted"
  | "config" // the container could not be made
  | "gone" // it was deleted by somebody else
  | "timeout" // it did not start in time
  | "unreachable" // the cluster's API did not answer
  | "refused"; // the cluster's API said no

/** A failure of the compute or storage behind a sandbox; the message says what was seen. */
export class DriverError extends Error {
  constructor(
    readonly failure: DriverFailure,
    message: string,
  ) {
    super(message);
  }
}

/** A volume to make. All of it is written on the volume, so that its record can be made again from there. */
export interface CargoVolume {
  id: string;
  owner: string;
  managed: boolean;
  /** The sandbox that it is made with and that sandbox's profile; null for a client's own. */
  sandboxId: string | null;
  profileId: string | null;
  sizeLimitMb: number;
  /** By which the database knows that it made this volume; see `Store.nextOrigin`. */
  origin: string;
}

/** A volume as the cluster lists it; what an older Bay did not write on it is null. */
export interface ListedCargo {
  id: string;
  owner: string | null;
  managed: boolean;
  sandboxId: string | null;
  profileId: string | null;
  sizeLimitMb: number | null;
  origin: string | null;
  /** Milliseconds since 1970. */
  createdAt: number | null;
  /** Whether it is marked as set aside. */
  marked: boolean;
}

/** A session to start. */
export interface SessionSpec {
  id: string;
  sandboxId: string;
  cargoId: string;
  profileId: string;
  owner: string;
  containers: ContainerSpec[];
  /** Whether its processes are of uid 0. */
  root: boolean;
  multi: boolean;
  /** Variables that shells of the sandbox are to see. */
  shellEnv: Record<string, string>;
  /** SHA-256, in hexadecimal, of the token that Bay sends with each call: by it the runtime knows Bay. */
  verifier: string;
  /** By which the database knows that it made this pod; see `Store.nextOrigin`. */
  origin: string;
}

/** What the driver knows of a session's compute now. */
export type SessionCondition =
  /**
   * `moved` when the compute is not the one that `startSession` made, but one that was restored from its checkpoint:
   * its address is another.
   */
  { alive: true; moved?: boolean } | { alive: false; failure: DriverFailure; message: string };

/** A session's compute as the cluster lists it. */
export interface ListedSession {
  sessionId: string;
  sandboxId: string;
  cargoId: string;
  /** As a label: other characters than a label may have are replaced. */
  owner: string;
  /** As a label. */
  profileId: string;
  origin: string | null;
  /** Whether it is being deleted. */
  ending: boolean;
}

/** Compute and storage behind sandboxes. All methods throw `DriverError` unless they say otherwise. */
export interface Driver {
  createCargo(cargo: CargoVolume): Promise<void>;
  /** Returns when the deletion is accepted; a volume that is gone already is fine. */
  deleteCargo(id: string): Promise<void>;

  /**
   * Makes the session's compute and waits until it has an address. Gives the base URL of each container, by its name.
   * Compute of the same session that is still alive is taken over; what is dead is replaced.
   */
  startSession(spec: SessionSpec): Promise<Record<string, string>>;
  /**
   * The base URLs of a session that runs already, as `startSession` gave them; undefined when it does not, or not yet.
   */
  locateSession(sessionId: string, containers: ContainerSpec[]): Promise<Record<string, string> | undefined>;
  /** The session's compute now. Never throws: when the cluster cannot be asked, the session is taken as alive. */
  inspectSession(sessionId: string): Promise<SessionCondition>;
  /** Waits a little for a reason when a call to the session broke off; undefined when the session looks alive. */
  whyLost(sessionId: string): Promise<SessionCondition | undefined>;
  /** Removes the session's compute; waits until it is gone unless `wait` is false. Nothing there is fine. */
  destroySession(sessionId: string, options?: { wait?: boolean }): Promise<void>;
  /** All sessions of this Bay instance that have compute. */
  listSessions(): Promise<ListedSession[]>;
  /** All volumes of this Bay instance which are not being deleted, those of clients included. */
  listCargos(): Promise<ListedCargo[]>;
  /**
   * Marks a volume as set aside, for people who look at the cluster, or takes the mark away. False without the right
   * to.
   */
  markCargo(id: string, setAside: boolean): Promise<boolean>;

  /** Releases connections; nothing in the cluster is touched. */
  close(): void;
}
