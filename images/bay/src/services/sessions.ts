import { setTimeout as delay } from "node:timers/promises";
import type { Profile } from "../config/profiles";
import { DriverError } from "../driver/driver";
import { BayError, notFound } from "../errors";
import { newId, now } from "../ids";
import { HEALTH, META } from "../runtime/answers";
import { callRuntime, forgetRuntime, type Runtime, RuntimeAnswerError, RuntimeCallError } from "../runtime/client";
import type { SandboxRow, SessionRow } from "../store/store";
import type { ServiceContext } from "./context";
import { fromDriver, retryAfterMs } from "./failures";
import type { Locks } from "../../../common/src/locks";
import type { StartOutcome } from "./metrics";
import type { OpenRuntimes } from "./open-runtimes";
import type { StartQueue } from "./start-queue";

/** A session that runs, with the base URL of each container. */
export type RunningSession = SessionRow & { endpoints: Record<string, string> };

/** What a runtime says about itself. */
export interface RuntimeMeta {
  version: string | null;
  capabilities: string[];
}

/** Longest wait for a runtime to get healthy, the pause between two tries and the limit of one. */
const HEALTHY_MS = 120_000;
const HEALTH_PAUSE_MS = 25;
const HEALTH_TRY_MS = 2_000;
const META_MS = 5_000;
/** How long a runtime's description stays known. */
const META_AGE_MS = 300_000;

/** Starts, finds, replaces and removes the sessions behind sandboxes. */
export class Sessions {
  private readonly starts = new Map<string, Promise<RunningSession>>();
  private readonly metas = new Map<string, { meta: RuntimeMeta; at: number }>();

  constructor(
    private readonly context: ServiceContext,
    private readonly locks: Locks,
    private readonly queue: StartQueue,
    private readonly open: OpenRuntimes,
  ) {}

  /** Is told how each start ended and how long it took. */
  onStart: (outcome: StartOutcome, ms: number) => void = () => undefined;

  /**
   * The running session of a sandbox; started when there is none, replaced when its compute died. Callers that come
   * while it starts wait for the same start and get the same result.
   */
  async ensureRunning(sandboxId: string, profile: Profile): Promise<RunningSession> {
    const current = this.running(sandboxId);
    if (current) {
      const alive = await this.whereAlive(current, profile);
      if (alive && this.isCurrent(sandboxId, alive)) {
        this.touch(sandboxId, profile);
        return alive;
      }
    }
    return this.startOnce(sandboxId, profile);
  }

  /** A container of a session, with the token by which it knows Bay. */
  runtime(session: RunningSession, container: string): Runtime {
    return { url: session.endpoints[container]!, token: this.context.tokens.token(session.id) };
  }

  /** Takes a session whose runtime cannot be reached as dead and gives a new one. @param why for the log */
  async replaceLost(
    sandboxId: string,
    profile: Profile,
    lost: RunningSession,
    why = "the runtime cannot be reached",
  ): Promise<RunningSession> {
    this.context.log.warn({ sandbox: sandboxId, session: lost.id }, `${why}, the session is replaced`);
    this.markNotRunning(lost);
    return this.startOnce(sandboxId, profile);
  }

  /**
   * Takes over a session that an earlier Bay started: with its address of now, or as stopped when its compute is gone.
   */
  async adopt({ id, sandboxId, profileId }: SessionRow): Promise<"adopted" | "lost"> {
    const { store, driver, profiles } = this.context;
    return this.locks.run(sandboxId, async () => {
      if (store.session(id)?.state !== "running") return "adopted"; // ended or replaced meanwhile
      const profile = profiles.get(profileId);
      const endpoints = profile && (await driver.locateSession(id, profile.containers));
      if (endpoints) {
        store.updateSession(id, { endpoints });
        return "adopted";
      }
      store.atomically(() => {
        store.updateSession(id, { state: "stopped", endpoints: null });
        store.updateSandbox(sandboxId, { idleExpiresAt: null });
      });
      return "lost";
    });
  }

  /**
   * Takes over compute that the records do not have as running, as it is: its pod is newer than they are, or they were
   * lost. The caller holds the sandbox's lock. @returns false when it does not run
   */
  async take(id: string, sandbox: SandboxRow): Promise<boolean> {
    const { store, driver, profiles, log } = this.context;
    const profile = profiles.get(sandbox.profileId);
    const endpoints = profile && (await driver.locateSession(id, profile.containers));
    if (!endpoints) return false;
    const { profileId, cargoId, id: sandboxId } = sandbox;
    store.atomically(() => {
      if (store.session(id)) store.updateSession(id, { state: "running", endpoints });
      else store.insertSession({ id, sandboxId, profileId, cargoId, state: "running", endpoints, createdAt: now() });
      store.updateSandbox(sandboxId, { sessionId: id });
      store.deleteSetAside(id);
    });
    this.touch(sandboxId, profile);
    log.warn({ sandbox: sandboxId, session: id }, "a running session that the records did not have was taken over");
    return true;
  }

  /** Removes a session's compute when no record wants it to run; whether it did. */
  async removeUnwanted(id: string, sandboxId: string): Promise<boolean> {
    const { store, driver } = this.context;
    return this.locks.run(sandboxId, async () => {
      const state = store.session(id)?.state;
      if (state !== undefined && state !== "stopped" && state !== "failed") return false;
      await driver.destroySession(id, { wait: false });
      return true;
    });
  }

  /** Removes the sandbox's compute and forgets the current session. The caller holds the sandbox's lock. */
  async end(sandbox: SandboxRow): Promise<void> {
    const session = sandbox.sessionId === null ? undefined : this.context.store.session(sandbox.sessionId);
    const { store, driver } = this.context;
    // Now and not at the end: a keepalive that comes while the pod goes is kept.
    store.updateSandbox(sandbox.id, { idleExpiresAt: null });
    if (session && session.state !== "stopped") {
      store.updateSession(session.id, { state: "stopping" });
      try {
        await driver.destroySession(session.id);
      } catch (error) {
        store.updateSession(session.id, { state: session.state });
        if (store.sandbox(sandbox.id)?.idleExpiresAt === null)
          store.updateSandbox(sandbox.id, { idleExpiresAt: sandbox.idleExpiresAt });
        throw fromDriver(error, sandbox.id);
      }
      this.forget(session);
    }
    store.atomically(() => {
      if (session) store.updateSession(session.id, { state: "stopped", endpoints: null });
      store.updateSandbox(sandbox.id, { sessionId: null });
    });
  }

  /** The description of a runtime, asked once per five minutes. @throws RuntimeCallError, RuntimeAnswerError */
  async meta(runtime: Runtime, timeoutMs = META_MS): Promise<RuntimeMeta> {
    const known = this.metas.get(runtime.url);
    if (known && now() - known.at < META_AGE_MS) return known.meta;
    const meta = await callRuntime(runtime, { method: "GET", path: "/meta", timeoutMs }, META);
    this.metas.set(runtime.url, { meta, at: now() });
    return meta;
  }

  private running(sandboxId: string): RunningSession | undefined {
    const { store } = this.context;
    const sessionId = store.sandbox(sandboxId)?.sessionId;
    const session = sessionId ? store.session(sessionId) : undefined;
    return session?.state === "running" && session.endpoints ? (session as RunningSession) : undefined;
  }

  /**
   * The session with its address of now, when its compute lives: one that was restored from a checkpoint is elsewhere.
   */
  private async whereAlive(session: RunningSession, profile: Profile): Promise<RunningSession | undefined> {
    const { driver, store } = this.context;
    const condition = await driver.inspectSession(session.id);
    if (!condition.alive || !condition.moved) return condition.alive ? session : undefined;
    const endpoints = await driver.locateSession(session.id, profile.containers).catch(() => undefined);
    if (!endpoints) return undefined;
    if (Object.values(endpoints).join() !== Object.values(session.endpoints).join()) {
      this.context.log.info(
        { sandbox: session.sandboxId, session: session.id },
        "the session was restored from a checkpoint",
      );
      store.updateSession(session.id, { endpoints });
    }
    return { ...session, endpoints };
  }

  private isCurrent(sandboxId: string, session: RunningSession): boolean {
    const now = this.running(sandboxId);
    return now?.id === session.id && Object.values(now.endpoints).join() === Object.values(session.endpoints).join();
  }

  private touch(sandboxId: string, profile: Profile): void {
    this.context.store.updateSandbox(sandboxId, { idleExpiresAt: now() + profile.idleTimeout * 1000 });
  }

  private startOnce(sandboxId: string, profile: Profile): Promise<RunningSession> {
    const under = this.starts.get(sandboxId);
    if (under) return under;
    const asked = now();
    // The turn comes before the lock: a sandbox whose start waits can be stopped or deleted meanwhile.
    const start = this.queue
      .run(() => this.locks.run(sandboxId, () => this.start(sandboxId, profile, asked)))
      .finally(() => this.starts.delete(sandboxId));
    this.starts.set(sandboxId, start);
    return start;
  }

  /** Under the lock: a start, stop or delete that came first has changed the rows, so they are read again. */
  private async start(sandboxId: string, profile: Profile, asked: number): Promise<RunningSession> {
    const { store, driver } = this.context;
    const sandbox = store.sandbox(sandboxId);
    if (!sandbox || sandbox.deletedAt !== null) throw notFound("sandbox", sandboxId);
    const present = this.running(sandboxId);
    const alive = present && (await this.whereAlive(present, profile));
    if (alive) {
      this.touch(sandboxId, profile);
      return alive;
    }
    if (present) this.markNotRunning(present);
    const session = this.row(sandbox);
    const began = now();
    try {
      // What is left of an earlier start must not be taken over: its runtime could not be reached.
      if (session.state !== "pending") await driver.destroySession(session.id, { wait: false });
      store.updateSession(session.id, { state: "starting", endpoints: null });
      const endpoints = await driver.startSession({
        id: session.id,
        sandboxId,
        cargoId: sandbox.cargoId,
        profileId: profile.id,
        owner: sandbox.owner,
        containers: profile.containers,
        root: profile.root,
        multi: profile.multi,
        shellEnv: profile.env,
        verifier: this.context.tokens.verifier(session.id),
        origin: store.nextOrigin(),
      });
      const addressed = now();
      await this.healthy(session.id, Object.values(endpoints), profile.multi, sandboxId);
      store.updateSession(session.id, { state: "running", endpoints });
      this.touch(sandboxId, profile);
      for (const { name, image } of profile.containers) void this.open.look(image, endpoints[name]!);
      this.onStart("running", now() - asked);
      const times = {
        queueMs: Math.round(began - asked),
        podMs: Math.round(addressed - began),
        runtimeMs: Math.round(now() - addressed),
      };
      this.context.log.info({ sandbox: sandboxId, session: session.id, ...times }, "the session runs");
      return { ...session, state: "running", endpoints };
    } catch (error) {
      store.updateSession(session.id, { state: "failed", endpoints: null });
      this.onStart("failed", now() - asked);
      this.context.log.error(
        { sandbox: sandboxId, session: session.id, error: (error as Error).message },
        "the session did not start",
      );
      await driver.destroySession(session.id, { wait: false }).catch((problem: unknown) => {
        this.context.log.warn(
          { session: session.id, error: (problem as Error).message },
          "the failed session could not be removed",
        );
      });
      throw fromDriver(error, sandboxId, profile.multi);
    }
  }

  /**
   * The current session's row: a failed or lost one is started again under its id, a stopped one is followed by a new
   * one.
   */
  private row(sandbox: SandboxRow): SessionRow {
    const { store } = this.context;
    const current = sandbox.sessionId === null ? undefined : store.session(sandbox.sessionId);
    if (current) return current;
    const row: SessionRow = {
      id: newId("sess"),
      sandboxId: sandbox.id,
      profileId: sandbox.profileId,
      cargoId: sandbox.cargoId,
      state: "pending",
      endpoints: null,
      createdAt: now(),
    };
    store.atomically(() => {
      store.insertSession(row);
      store.updateSandbox(sandbox.id, { sessionId: row.id });
    });
    return row;
  }

  private async healthy(sessionId: string, endpoints: string[], multi: boolean, sandboxId: string): Promise<void> {
    const deadline = Date.now() + HEALTHY_MS;
    for (const endpoint of endpoints) {
      for (;;) {
        const problem = await this.healthProblem({ url: endpoint, token: this.context.tokens.token(sessionId) });
        if (problem === undefined) break;
        const condition = await this.context.driver.inspectSession(sessionId);
        if (!condition.alive)
          throw new DriverError(condition.failure, `the session ended while it started: ${condition.message}`);
        if (Date.now() > deadline) {
          throw new BayError(
            "session_not_ready",
            `the runtime is not healthy after ${HEALTHY_MS / 1000} s: ${problem}`,
            { sandbox_id: sandboxId, reason: "not_ready", retry_after_ms: retryAfterMs(multi) },
          );
        }
        await delay(HEALTH_PAUSE_MS);
      }
    }
  }

  private async healthProblem(runtime: Runtime): Promise<string | undefined> {
    try {
      await callRuntime(runtime, { method: "GET", path: "/health", timeoutMs: HEALTH_TRY_MS }, HEALTH);
      return undefined;
    } catch (error) {
      if (error instanceof RuntimeCallError || error instanceof RuntimeAnswerError) return error.message;
      throw error;
    }
  }

  private markNotRunning(session: RunningSession): void {
    const present = this.context.store.session(session.id);
    if (
      present?.state !== "running" ||
      Object.values(present.endpoints ?? {}).join() !== Object.values(session.endpoints).join()
    )
      return;
    this.forget(session);
    this.context.store.updateSession(session.id, { state: "starting", endpoints: null });
  }

  private forget(session: SessionRow): void {
    for (const endpoint of Object.values(session.endpoints ?? {})) {
      this.metas.delete(endpoint);
      forgetRuntime(endpoint);
    }
  }
}
