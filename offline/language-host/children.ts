/** The processes that this host has started. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";

/** How a child ended. */
export type Exit = { code: number } | { signal: NodeJS.Signals };

/** Owner of all child processes: none outlives the host. */
export class Children {
  private readonly running = new Set<ChildProcess>();

  /** Starts a child and keeps it until it ends. */
  start(file: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    const child = spawn(file, args, options);
    this.running.add(child);
    child.once("close", () => this.running.delete(child));
    return child;
  }

  /** Kills every child at once; to be called when nobody is left to whom they could report. */
  killAll(): void {
    for (const child of this.running) child.kill("SIGKILL");
  }
}

/** Resolves when the child has ended and its output is read; rejects when it could not be started. */
export function ended(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve(signal ? { signal } : { code: code ?? 1 });
    });
  });
}
