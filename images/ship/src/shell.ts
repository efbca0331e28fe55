import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import os from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { BoundedBytes } from "./bounded-bytes";
import { LIMITS } from "./limits";
import { OutputPipe, rest } from "./output-pipe";
import { groups, letShipGoFirst, signalGroup } from "./process-group";
import { processLimitKept } from "./process-limit";
import { splitWords } from "./words";

/** What one command gave. */
export interface ShellResult {
  success: boolean;
  /** The command's exit code, 128 + n after signal n; -1 when Ship ended it, or when its output is no text. */
  return_code: number;
  stdout: string;
  stderr: string;
  pid: number | null;
  /** Why Ship ended or refused the command, `output_limit_exceeded`, or what goes on in the background. */
  error: string | null;
}

/** Where and as what a command runs. */
export interface CommandSetting {
  /** Existing directory to run in. */
  cwd: string;
  /** Added to the login environment. */
  env?: Record<string, string>;
  /** Sourced first when it exists. */
  envFile: string;
  home: string;
  /**
   * Whether a shell reads the command (pipes, variables, globs). False: it is split into words and run as it stands.
   * Default true.
   */
  shell?: boolean;
}

export interface ShellOptions extends CommandSetting {
  timeoutMs: number;
  /** Bytes kept of each stream. Default 8 MiB. */
  maxOutput?: number;
  /** When aborted, the command's process group is killed. */
  signal?: AbortSignal;
}

/** When memory runs out the system is to end commands before Ship. */
const OFFER = "{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null;";
/** All that a process can take note of: not KILL and STOP, nor the two that the C library keeps for itself. */
const CATCHABLE = Array.from({ length: 64 }, (_, index) => index + 1).filter(
  (number) => ![9, 19, 32, 33].includes(number),
);
/**
 * Outer shell, which leads the command's group: it waits for the command and says its exit code on descriptor 3, where
 * Node would take a real-time signal for success. A signal to the whole group does not end it, but the command, to
 * which caught signals come uncaught. What it would say itself of a command that was killed is dropped.
 */
const REPORT = `${OFFER} trap : ${CATCHABLE.join(" ")}; exec 4>&2 2>/dev/null; /bin/bash -l -c "$@" 2>&4 3>&- 4>&-; echo $? >&3`;
/** Longest report: more than any number has. */
const REPORT_LIMIT = 16;

/** How long the report may come after the news of the end; it is late only where a program has got hold of its way. */
const REPORT_MS = 2_000;
/** How long what the killed group leaves in its pipes may take. */
const AFTER_KILL_MS = 100;

/**
 * Runs a command in a new login bash with a stripped environment. The call lasts until that shell has ended, or until
 * the timeout, which kills the whole process group. What was printed until then is in the answer. What goes on in the
 * background may print as it likes; it is neither waited for nor kept.
 */
export async function runShell(command: string, options: ShellOptions): Promise<ShellResult> {
  const pipes = [await OutputPipe.make(), await OutputPipe.make()];
  let child: ChildProcess;
  try {
    child = spawn("/bin/bash", ["-c", REPORT, "bash", ...loginCommand(command, options)], {
      cwd: options.cwd,
      env: { ...loginEnv(options.home), ...options.env },
      stdio: ["ignore", pipes[0]!.writer, pipes[1]!.writer, "pipe"],
      detached: true,
    });
  } finally {
    for (const pipe of pipes) pipe.closeWriter();
  }
  letShipGoFirst(child.pid);
  const output = pipes.map((pipe) => {
    const kept = new BoundedBytes(options.maxOutput ?? LIMITS.output);
    pipe.sink = (chunk) => {
      kept.push(chunk);
    };
    return kept;
  });
  const report = new BoundedBytes(REPORT_LIMIT);
  const began = performance.now();
  (child.stdio?.[3] as Readable | undefined)
    ?.on("data", (chunk: Buffer) => {
      report.push(chunk);
    })
    .on("error", () => undefined);
  try {
    const why = await endOf(child, options);
    if (why instanceof Error)
      return refused(`the command cannot be started: ${(why as NodeJS.ErrnoException).code ?? why.message}`);
    const code = why === undefined ? exitCode(report, child) : undefined;
    if (why !== undefined) signalGroup(child.pid, "SIGKILL");
    const closed =
      why === undefined
        ? await rest(pipes)
        : await Promise.race([Promise.all(pipes.map((pipe) => pipe.ended)), delay(AFTER_KILL_MS)]).then(() => true);
    for (const pipe of pipes) pipe.takeWritten();
    return finished(output, { code, why: why ?? limitKept(began, code), closed, pid: child.pid ?? null });
  } finally {
    for (const pipe of pipes) pipe.sink = undefined;
    forgetGroup(child, pipes);
  }
}

/** Waits for a command: nothing when it has ended by itself, else why it is to be ended, or could not be started. */
function endOf(child: ChildProcess, { timeoutMs, signal }: ShellOptions): Promise<string | Error | undefined> {
  if (child.pid !== undefined) groups.add(child.pid);
  return new Promise((resolve) => {
    const end = (why?: string | Error): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      resolve(why);
    };
    const onAbort = (): void => {
      end("The caller went away");
    };
    const timer = setTimeout(() => {
      end("Command timed out");
    }, timeoutMs);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    child.once("error", (error) => {
      end(error);
    });
    child.once("close", () => {
      end();
    });
    child.once("exit", () => {
      setTimeout(end, REPORT_MS).unref();
    });
  });
}

/** Why a command was killed that was in the way when Ship kept the limit of processes. */
function limitKept(began: number, code: number | undefined): string | undefined {
  return code === undefined || code === 128 + os.constants.signals.SIGKILL ? processLimitKept(began) : undefined;
}

/** A group is known as long as something in it holds the output. */
function forgetGroup({ pid }: ChildProcess, pipes: OutputPipe[]): void {
  void Promise.all(pipes.map((pipe) => pipe.ended)).then(() => {
    if (pid !== undefined) groups.delete(pid);
  });
}

/**
 * Starts a command that nobody waits for; its output is dropped. Resolves when it runs, rejects when it cannot be
 * started.
 */
export async function startShell(command: string, setting: CommandSetting): Promise<ChildProcess> {
  const child = spawn(
    "/bin/bash",
    ["-c", `${OFFER} exec /bin/bash -l -c "$@"`, "bash", ...loginCommand(command, setting)],
    {
      cwd: setting.cwd,
      env: { ...loginEnv(setting.home), ...setting.env },
      stdio: "ignore",
      detached: true,
    },
  );
  letShipGoFirst(child.pid);
  await once(child, "spawn");
  return child;
}

/** Starts a login shell on a terminal of its own (terminal.py); its descriptor 3 takes sizes. */
export function startTerminal(
  { home, envFile }: Pick<CommandSetting, "home" | "envFile">,
  { cols, rows }: { cols: number; rows: number },
): ChildProcess {
  const login = ["/bin/bash", "-c", `${OFFER} ${sourcing(envFile)} exec /bin/bash -l`];
  // Isolated, without site packages: nothing that the workspace holds may be loaded, and it starts in half the time.
  return spawn("python3", ["-I", "-S", path.join(__dirname, "terminal.py"), String(cols), String(rows), ...login], {
    cwd: home,
    env: loginEnv(home),
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
}

/** The answer to a command that was not run. */
export function refused(error: string): ShellResult {
  return { success: false, return_code: -1, stdout: "", stderr: "", pid: null, error };
}

/** Name and value of every variable that a command starts with; nothing of the container's own environment. */
export function loginEnv(home: string): Record<string, string> {
  return {
    HOME: home,
    USER: "shipyard",
    LOGNAME: "shipyard",
    SHELL: "/bin/bash",
    TERM: "xterm-256color",
    LANG: "C.UTF-8",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
}

interface End {
  code: number | undefined;
  why: string | undefined;
  closed: boolean;
  pid: number | null;
}

/**
 * The answer: all that was printed, the exit code where the command ended by itself, and what is to be known beside it.
 */
function finished(output: BoundedBytes[], { code, why, closed, pid }: End): ShellResult {
  const [stdout, stderr] = output.map((kept) => kept.text()) as [string, string];
  const own = code ?? -1;
  const readable = output.every((kept) => kept.isText());
  const notes = [
    why,
    code === undefined && why === undefined ? "the command was ended by a signal without a name" : undefined,
    readable
      ? undefined
      : `the command's output is not UTF-8 text: each byte that is not is shown as U+FFFD (exit code ${own})`,
    ...output.map((kept) => kept.cut()),
    closed ? undefined : STILL_OPEN,
  ].filter((note) => note != null);
  return {
    success: own === 0 && readable,
    return_code: readable ? own : -1,
    stdout,
    stderr,
    pid,
    error: notes.length > 0 ? notes.join("; ") : null,
  };
}

/** Said of a command that left something in the background that has its output still. */
const STILL_OPEN =
  "processes in the background keep the output open: what they print from now on is dropped, redirect it to a file to keep it";

/** What the outer shell reported; where it was killed itself, what a shell would say of that. */
function exitCode(report: BoundedBytes, { pid, signalCode }: ChildProcess): number | undefined {
  const reported = /^(\d{1,3})\n$/.exec(report.text());
  if (reported) return Number(reported[1]);
  signalGroup(pid, "SIGKILL"); // nobody waits for the command any more
  return signalCode === null ? undefined : 128 + os.constants.signals[signalCode];
}

/** What a login bash gets after `-c`: a script that sources the profile's variables, its name, and its words. */
function loginCommand(command: string, { envFile, shell = true }: CommandSetting): string[] {
  const source = sourcing(envFile);
  return shell ? [source + command, "bash"] : [`${source}exec -- "$@"`, "bash", ...splitWords(command)];
}

/** The first line of a script, which reads the profile's variables. */
function sourcing(envFile: string): string {
  return `[ -r '${envFile}' ] && . '${envFile}'\n`;
}
