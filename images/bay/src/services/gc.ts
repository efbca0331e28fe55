import { now } from "../ids";
import type { SandboxClock } from "../store/store";
import type { Calls } from "./calls";
import type { Cargos } from "./cargos";
import type { ServiceContext } from "./context";
import type { Locks } from "../../../common/src/locks";
import type { Recovery } from "./recovery";
import type { Sandboxes } from "./sandboxes";
import type { Sessions } from "./sessions";
import type { SetAside } from "./set-aside";

/** Tasks in the order in which they run. */
export const GC_TASKS = ["idle_session", "expired_sandbox", "orphan_cargo", "orphan_container"] as const;
export type GcTask = (typeof GC_TASKS)[number];

export interface TaskResult {
  task_name: GcTask;
  cleaned_count: number;
  skipped_count: number;
  errors: string[];
}

/** A cycle is running already. */
export class GcBusy extends Error {}

/** Collects idle sessions, expired sandboxes and what lost its owner. */
export class Gc {
  private busy = false;
  private cycle: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly context: ServiceContext,
    private readonly parts: {
      sandboxes: Sandboxes;
      sessions: Sessions;
      cargos: Cargos;
      locks: Locks;
      calls: Calls;
      recovery: Recovery;
      aside: SetAside;
    },
    readonly instanceId: string,
  ) {}

  /** Is told what each task did. */
  onTask: (result: TaskResult) => void = () => undefined;

  get running(): boolean {
    return this.busy;
  }

  enabled(task: GcTask): boolean {
    return this.context.config.gc[task].enabled;
  }

  /** Runs cycles by the configuration until `stop`. */
  start(): void {
    const { enabled, run_on_startup, interval_seconds } = this.context.config.gc;
    if (!enabled) return;
    const cycle = (): void => {
      this.run().catch((error: unknown) => {
        this.context.log.warn({ error: String(error) }, "the collection did not run");
      });
    };
    this.timer = setInterval(cycle, interval_seconds * 1000);
    if (run_on_startup) cycle();
  }

  /** Begins no more cycles; resolves when the last one has ended. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.cycle;
  }

  /** One cycle of every enabled task. @throws GcBusy */
  async run(): Promise<TaskResult[]> {
    if (this.busy) throw new GcBusy("a collection is running");
    this.busy = true;
    const results = this.runTasks().finally(() => {
      this.busy = false;
    });
    this.cycle = results.then(
      () => undefined,
      () => undefined,
    );
    return results;
  }

  private async runTasks(): Promise<TaskResult[]> {
    const results: TaskResult[] = [];
    for (const task of GC_TASKS.filter((each) => this.enabled(each))) {
      const result: TaskResult = { task_name: task, cleaned_count: 0, skipped_count: 0, errors: [] };
      try {
        await this.tasks[task](result);
      } catch (error) {
        result.errors.push((error as Error).message);
      }
      if (result.cleaned_count > 0 || result.errors.length > 0) this.context.log.info({ gc: result }, "collected");
      this.onTask(result);
      results.push(result);
    }
    return results;
  }

  private readonly tasks: Record<GcTask, (result: TaskResult) => Promise<void>> = {
    idle_session: (result) =>
      this.overSandboxes(result, "idleExpiresAt", async (id) => {
        if (this.parts.calls.busy(id)) return false; // it is not idle: a call takes longer than the idle time
        await this.parts.sessions.end(this.context.store.sandbox(id)!);
        return true;
      }),
    expired_sandbox: (result) =>
      this.overSandboxes(result, "expiresAt", async (id) => {
        await this.parts.sandboxes.destroy(id);
        return true;
      }),
    orphan_cargo: (result) => this.orphanCargos(result),
    orphan_container: (result) => this.orphanContainers(result),
  };

  /** Acts on each sandbox whose time has passed, and asks again under its lock, where an extension wins. */
  private async overSandboxes(
    result: TaskResult,
    clock: SandboxClock,
    act: (id: string) => Promise<boolean>,
  ): Promise<void> {
    const due = (id: string): boolean => {
      const row = this.context.store.sandbox(id);
      return row !== undefined && row.deletedAt === null && row[clock] !== null && row[clock] < now();
    };
    for (const id of this.context.store.sandboxesDue(clock, now())) {
      await this.attempt(result, id, () => this.parts.locks.run(id, async () => due(id) && act(id)));
    }
  }

  private async orphanCargos(result: TaskResult): Promise<void> {
    const { store, driver } = this.context;
    await this.parts.recovery.removeDue((id, error) => {
      if (error) result.errors.push(`${id}: ${error.message}`);
      else result.cleaned_count += 1;
    });
    const orphans = store.orphanCargos(0);
    if (orphans.length === 0) return;
    const mounted = new Set((await driver.listSessions()).map(({ cargoId }) => cargoId));
    for (const cargo of orphans) {
      await this.attempt(result, cargo.id, async () => {
        if (mounted.has(cargo.id) || !store.cargo(cargo.id)) return false;
        await this.parts.cargos.drop(cargo);
        return true;
      });
    }
  }

  private async orphanContainers(result: TaskResult): Promise<void> {
    const { store, driver } = this.context;
    for (const session of await driver.listSessions()) {
      const { sessionId } = session;
      // One that this database never knew may be in use: another database made it.
      if (store.session(sessionId) || !this.parts.aside.knowsSession(session)) continue;
      await this.attempt(result, sessionId, async () => {
        await driver.destroySession(sessionId, { wait: false });
        return true;
      });
    }
  }

  private async attempt(result: TaskResult, id: string, act: () => Promise<boolean>): Promise<void> {
    try {
      if (await act()) result.cleaned_count += 1;
      else result.skipped_count += 1;
    } catch (error) {
      result.errors.push(`${id}: ${(error as Error).message}`);
    }
  }
}
