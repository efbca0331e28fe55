import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { BoundedBytes } from "./bounded-bytes";
import { type DriverResult, KernelChannel } from "./kernel-channel";
import { LIMITS } from "./limits";
import { MarkedOutput } from "./marked-output";
import { OutputPipe, rest } from "./output-pipe";
import { letShipGoFirst, signalGroup } from "./process-group";
import { processLimitKept } from "./process-limit";

/** What one cell gave. */
export interface CellResult {
  success: boolean;
  /** Number of the cell since the interpreter started; null for a silent cell or when the interpreter ended. */
  executionCount: number | null;
  /** Everything written while the cell ran (standard output, standard error, displayed values), in order. */
  text: string;
  images: Record<string, string>[];
  /** Traceback, why the cell was ended, or `output_limit_exceeded`. */
  error: string | null;
}

export interface KernelOptions {
  /** Working directory of the interpreter. */
  workspace: string;
  /** Interpreter to run. Default `python3`. */
  python?: string;
  /** Bytes of output kept per cell. Default 8 MiB. */
  maxOutput?: number;
  /** Environment of the interpreter. */
  env: NodeJS.ProcessEnv;
}

export type KernelStatus = "not_started" | "alive" | "dead";

/**
 * How long an interrupted cell may take to end before the interpreter is replaced; Bay gives up 5 s after the timeout.
 */
const INTERRUPT_GRACE_MS = 2_500;
const INTERRUPT_EVERY_MS = 300;
/** Longest start of an interpreter. A file of the workspace that Python runs at its start can hold it. */
const START_MS = 20_000;

/** An end is laid to the limit of processes when that was kept so short a time before it. */
const RECENT_MS = 5_000;

/** A running interpreter process and the streams to it. */
interface Driver {
  child: ChildProcess;
  requests: Writable;
  channel: KernelChannel;
  output: OutputPipe;
  /** Resolves with the reason when the interpreter has ended. */
  ended: Promise<string>;
}

/** A cell that the interpreter ended before it took it. */
class NotBegun {
  constructor(readonly reason: string) {}
}

/** A persistent Python interpreter that runs cells one after another and is started again after it died. */
export class Kernel {
  private driver: Driver | undefined;
  private state: KernelStatus = "not_started";
  private starting: Promise<Driver> | undefined;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: KernelOptions) {}

  get status(): KernelStatus {
    return this.state;
  }

  /**
   * Starts the interpreter unless it runs; resolves when it takes cells. @throws Error with the reason when it cannot
   * start
   */
  async start(): Promise<void> {
    await this.running();
  }

  /**
   * Runs one cell when the cells before it are done. Never rejects because of the code: an exception, a timeout and an
   * interpreter that died are results. An aborted `signal` skips a waiting cell and interrupts a running one.
   */
  run(code: string, options: { timeoutMs: number; silent?: boolean; signal?: AbortSignal }): Promise<CellResult> {
    const result = this.tail.then(() => this.runNow(code, options));
    this.tail = result.catch(() => undefined);
    return result;
  }

  /** Ends the interpreter, a running cell with it, and starts a new one; all variables are lost. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends the interpreter; the next cell starts another. Gives whether there was one. */
  async stop(): Promise<boolean> {
    await this.starting?.catch(() => undefined); // one that could not start is no interpreter to end
    const driver = this.driver;
    if (!driver) return false;
    signalGroup(driver.child.pid, "SIGKILL");
    await driver.ended;
    this.state = "not_started";
    return true;
  }

  private running(): Promise<Driver> {
    if (this.driver) return Promise.resolve(this.driver);
    return (this.starting ??= this.launch().finally(() => (this.starting = undefined)));
  }

  /** An interpreter that earlier code has broken is found out by the next cell, which gets a new one. */
  private async runNow(code: string, options: Parameters<Kernel["run"]>[1]): Promise<CellResult> {
    for (let first = true; ; first = false) {
      if (options.signal?.aborted) return failed("The caller went away before the code could start", "");
      if (this.driver?.channel.ended) await this.stop();
      let driver: Driver;
      try {
        driver = await this.running();
      } catch (error) {
        return failed((error as Error).message, "");
      }
      const result = await this.runOn(driver, code, options);
      if (!(result instanceof NotBegun)) return result;
      if (!first) return failed(result.reason, "");
    }
  }

  private async runOn(
    driver: Driver,
    code: string,
    { timeoutMs, silent = false, signal }: Parameters<Kernel["run"]>[1],
  ): Promise<CellResult | NotBegun> {
    const marks = { start: `\u0000${randomUUID()}\u0000`, end: `\u0000${randomUUID()}\u0000` };
    const capture = new MarkedOutput(driver.output, marks, this.options.maxOutput ?? LIMITS.output);
    const id = randomUUID();
    let begun = false;
    const answer = new Promise<DriverResult>((resolve) => {
      driver.channel.pending = {
        id,
        onBegun: () => {
          begun = true;
        },
        onResult: resolve,
      };
    });
    const interrupt = this.interruptAfter(driver, timeoutMs, signal);
    driver.requests.write(`${JSON.stringify({ id, code, silent, max_images: LIMITS.images, ...marks })}\n`);
    try {
      const result = await Promise.race([
        Promise.all([answer, capture.complete]).then(([first]) => first),
        driver.ended,
      ]);
      const why = interrupt.reason();
      if (typeof result === "string" && !begun && !why) return new NotBegun(result);
      if (typeof result === "string") return failed(why ? `${why}; ${result}` : result, capture.text());
      const error = why ?? result.error ?? capture.cut() ?? result.cut;
      return {
        success: error === null,
        executionCount: result.count,
        text: capture.text(),
        images: result.images,
        error,
      };
    } finally {
      interrupt.cancel();
      capture.stop();
      driver.channel.pending = undefined;
    }
  }

  /** Interrupts the cell at its deadline, again and again, and replaces an interpreter that takes no notice. */
  private interruptAfter(driver: Driver, timeoutMs: number, signal: AbortSignal | undefined) {
    let reason: string | undefined;
    let repeat: NodeJS.Timeout | undefined;
    let last: NodeJS.Timeout | undefined;
    const begin = (why: string): void => {
      if (reason) return;
      reason = why;
      signalGroup(driver.child.pid, "SIGINT");
      repeat = setInterval(() => {
        signalGroup(driver.child.pid, "SIGINT");
      }, INTERRUPT_EVERY_MS);
      last = setTimeout(() => {
        signalGroup(driver.child.pid, "SIGKILL");
      }, INTERRUPT_GRACE_MS);
    };
    const deadline = setTimeout(() => {
      begin(`Execution timed out after ${timeoutMs / 1000} seconds`);
    }, timeoutMs);
    const onAbort = (): void => {
      begin("The caller went away; the code was interrupted");
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    return {
      reason: () => reason,
      cancel: () => {
        clearTimeout(deadline);
        clearInterval(repeat);
        clearTimeout(last);
        signal?.removeEventListener("abort", onAbort);
      },
    };
  }

  private async launch(): Promise<Driver> {
    const output = await OutputPipe.make();
    const complaint = new BoundedBytes(LIMITS.startComplaint);
    output.sink = (chunk) => {
      complaint.push(chunk);
    };
    let child: ChildProcess;
    try {
      child = spawn(this.options.python ?? "python3", [path.join(__dirname, "kernel.py")], {
        cwd: this.options.workspace,
        env: this.options.env,
        stdio: ["ignore", output.writer, output.writer, "pipe", "pipe"],
        detached: true, // a group of its own: an interrupt reaches what the code started, and not Ship
      });
    } finally {
      output.closeWriter();
    }
    letShipGoFirst(child.pid);
    const ended = this.watch(child, output);
    const [, , , requests, results] = (child.stdio ?? []) as unknown as [null, null, null, Writable?, Readable?];
    if (!requests || !results) throw new Error(`the Python interpreter did not start: ${await ended}`);
    // The end is reported by `ended`. The user's code can write here: what nobody reads would hold it.
    requests.on("error", () => undefined);
    const driver: Driver = { child, requests, channel: new KernelChannel(results), output, ended };
    const late = setTimeout(() => {
      signalGroup(child.pid, "SIGKILL");
    }, START_MS);
    const early = await Promise.race([driver.channel.ready, ended]);
    clearTimeout(late);
    if (typeof early === "string")
      throw new Error(
        `the Python interpreter did not start: ${[early, complaint.text().trim()].filter(Boolean).join("\n")}`,
      );
    output.sink = undefined;
    this.driver = driver;
    this.state = "alive";
    return driver;
  }

  private watch(child: ChildProcess, output: OutputPipe): Promise<string> {
    const began = performance.now();
    return new Promise((resolve) => {
      const finish = (reason: string): void => {
        if (this.driver?.child === child) this.driver = undefined;
        this.state = "dead";
        signalGroup(child.pid, "SIGKILL"); // what the interpreter started ends with it
        resolve(reason);
      };
      child.once("error", (error) => {
        finish(error.message);
      });
      child.once("exit", (code, signal) => {
        const killed = (): string =>
          processLimitKept(Math.max(began, performance.now() - RECENT_MS)) ??
          "SIGKILL, as the kernel does when memory runs out";
        const how = signal === "SIGKILL" ? killed() : (signal ?? `exit code ${code}`);
        // What was printed before the end is still in the pipe.
        void rest([output]).then(() => {
          finish(`The Python interpreter ended (${how}) and will be started again; variables are lost`);
        });
      });
    });
  }
}

function failed(error: string, text: string): CellResult {
  return { success: false, executionCount: null, text, images: [], error };
}
