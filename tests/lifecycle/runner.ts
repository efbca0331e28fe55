import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { descendantsOf, ROOT } from "./host";

/** A command of package.json that is under way, with all that it printed. */
export interface Running {
  /** Waits until the command printed something that matches; ends at once when the command ended without. */
  until(pattern: RegExp): Promise<void>;
  /** Sends a signal to the whole process group, as a terminal does at Ctrl-C. */
  signal(name: NodeJS.Signals): void;
  /** Ends every process of the run at once, with no time for anything. */
  killAll(): void;
  /** Ends the runner alone at once: what it started goes on without it. */
  killRunner(): void;
  /** The exit code, once the command has ended. */
  readonly done: Promise<number>;
  output(): string;
}

/** Starts `npm run …` as a user would, in a process group of its own. */
export function npmRun(words: string[], env: NodeJS.ProcessEnv = {}): Running {
  const { BAY_E2E_ARTIFACTS, BAY_E2E_JUNIT, BAY_E2E_OUTPUTS_FILE, BAY_E2E_STACK, JEST_WORKER_ID, NODE_ENV, ...clean } =
    process.env;
  void [BAY_E2E_ARTIFACTS, BAY_E2E_JUNIT, BAY_E2E_OUTPUTS_FILE, BAY_E2E_STACK, JEST_WORKER_ID, NODE_ENV];
  const child = spawn("npm", ["run", ...words], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...clean, CI: "true", ...env },
  });
  let output = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      for (const listen of listeners) listen();
    });
  }
  const done = exitOf(child);
  return {
    done,
    output: () => output,
    signal: (name) => {
      process.kill(-child.pid!, name);
    },
    killAll: () => {
      const all = descendantsOf(child.pid!);
      // At once: on a busy host a process that has lost the one before it would still put something in order.
      for (const signal of ["SIGSTOP", "SIGKILL"] as const) for (const pid of all) kill(pid, signal);
    },
    killRunner: () => {
      const runners = descendantsOf(child.pid!).filter((pid) => /dist\/cli\.js/.test(commandOf(pid)));
      if (runners.length === 0) throw new Error("no runner is among the command's processes");
      for (const pid of runners) kill(pid);
    },
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (pattern.test(output)) {
            listeners.delete(look);
            resolve();
          }
        };
        listeners.add(look);
        look();
        void done.then((code) => {
          if (!pattern.test(output)) reject(new Error(`ended with ${code} before it printed ${pattern}:\n${output}`));
        });
      }),
  };
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      resolve(code ?? 128 + constants.signals[signal!]);
    });
  });
}

/** One that ended by itself meanwhile is no error. */
function kill(pid: number, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
