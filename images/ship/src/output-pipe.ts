import { execFile } from "node:child_process";
import { closeSync, constants, fstatSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

/** Most that a pipe holds, in bytes, unless an administrator allows more (/proc/sys/fs/pipe-max-size). */
const PIPE_SIZE = 1024 * 1024;
/** Pipes made at a time. */
const BATCH = 16;

/**
 * A real pipe from a program to Ship. Those that Node makes are sockets, on which /dev/stdout cannot be opened. Ship
 * reads it until its last writer has closed it, whether somebody wants to know or not: whoever writes to it is neither
 * stopped nor killed, however long it outlives the call that started it.
 */
export class OutputPipe {
  /** Resolves when nobody has it open for writing any more. */
  readonly ended: Promise<void>;
  /** Milliseconds since the process began at which something came last. */
  lastData = performance.now();
  /** Takes what comes; nothing is kept without one. */
  sink: ((chunk: Buffer) => void) | undefined;
  private open = true;
  private writerOpen = true;

  private constructor(
    private readonly fd: number,
    readonly writer: number,
  ) {
    const reader = new net.Socket({ fd, readable: true, writable: false });
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.open = false;
        resolve();
      };
      reader.once("end", end).once("close", end).on("error", end);
    });
    reader.on("data", (chunk) => {
      this.take(chunk);
    });
  }

  /**
   * Makes a pipe; `writer` is the descriptor for the program, which is closed here once the program has it. @throws
   * system errors
   */
  static async make(): Promise<OutputPipe> {
    if (spare.length === 0) await makeSpare();
    const fd = spare.pop();
    if (fd === undefined) return OutputPipe.make(); // others came first
    if (spare.length < BATCH / 2) void makeSpare().catch(() => undefined); // the next call says why
    const reader = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return new OutputPipe(reader, openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY));
    } catch (error) {
      closeSync(reader);
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  closeWriter(): void {
    if (this.writerOpen) closeSync(this.writer);
    this.writerOpen = false;
  }

  /** Takes now what has been written so far: as much as a pipe holds at once. */
  takeWritten(): void {
    const chunk = Buffer.allocUnsafe(65_536);
    for (let taken = 0; this.open && taken < PIPE_SIZE;) {
      try {
        const size = readSync(this.fd, chunk);
        if (size === 0) return;
        this.take(Buffer.from(chunk.subarray(0, size)));
        taken += size;
      } catch {
        return; // EAGAIN: there is no more
      }
    }
  }

  private take(chunk: Buffer): void {
    this.lastData = performance.now();
    this.sink?.(chunk);
  }
}

/**
 * How long a pipe may be silent, and how long it may go on, after the program that it was made for has ended;
 * milliseconds.
 */
const SILENCE_MS = 300;
const LONGEST_MS = 2_000;

/**
 * Waits for the rest of what pipes bring after their program has ended. Gives whether they were closed. Where something
 * in the background holds them open, the wait ends as soon as they are silent.
 */
export async function rest(pipes: OutputPipe[]): Promise<boolean> {
  const ended = Promise.all(pipes.map((pipe) => pipe.ended)).then(() => true);
  const began = performance.now();
  for (;;) {
    const silent = performance.now() - Math.max(began, ...pipes.map((pipe) => pipe.lastData));
    const left = Math.min(SILENCE_MS - silent, LONGEST_MS - (performance.now() - began));
    if (left <= 0) break;
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<false>((resolve) => {
      timer = setTimeout(() => {
        resolve(false);
      }, left);
    });
    const closed = await Promise.race([ended, pause]);
    clearTimeout(timer);
    if (closed) return true;
  }
  for (const pipe of pipes) pipe.takeWritten();
  return Promise.race([ended, Promise.resolve(false)]);
}

// --- spare pipes -------------------------------------------------------------------------------------------

const run = promisify(execFile);
/** Descriptors of pipes without a name, open for both sides. */
const spare: number[] = [];
let making: Promise<void> | undefined;

/** Makes pipes ahead: Node cannot, so another program makes named ones, whose names are removed at once. */
export function makeSpare(): Promise<void> {
  return (making ??= makeBatch().finally(() => {
    making = undefined;
  }));
}

/** Memory comes first: a disk can be full. */
async function makeBatch(): Promise<void> {
  let problem: unknown;
  for (const place of ["/dev/shm", os.tmpdir()]) {
    let folder: string | undefined;
    try {
      folder = mkdtempSync(path.join(place, ".ship-"));
      const names = Array.from({ length: BATCH }, (_, index) => path.join(folder!, String(index)));
      await run("mkfifo", ["-m", "600", ...names], { env: { PATH: "/usr/local/bin:/usr/bin:/bin" } });
      for (const name of names) keep(openSync(name, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW));
      return;
    } catch (error) {
      problem = error;
    } finally {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw problem;
}

/** What stands under a name may be another's by now. */
function keep(fd: number): void {
  if (fstatSync(fd).isFIFO()) spare.push(fd);
  else closeSync(fd);
}
