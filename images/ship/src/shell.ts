import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { BoundedBytes } from "./bounded-bytes";
import { LIMITS } from "./limits";
import { signalGroup } from "./process-group";
import { splitWords } from "./words";

/** What one command gave. */
export interface ShellResult {
  success: boolean;
  /** The command's exit code; -1 when it was ended or its output is no text. */
  return_code: number;
  stdout: string;
  stderr: string;
  pid: number | null;
  /** Why Ship ended or refused the command, or `output_limit_exceeded`: the exit code is the command's own then. */
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
  /** Whether a shell reads the command (pipes, variables, globs). False: it is split into words and run as it stands. Default true. */
  shell?: boolean;
}

export interface ShellOptions extends CommandSetting {
  timeoutMs: number;
  /** Bytes kept of each stream. Default 8 MiB. */
  maxOutput?: number;
  /** When aborted, the command's process group is killed. */
  signal?: AbortSignal;
}

/**
 * Outer shell: gives the command real pipes. Node's own are sockets, on which /dev/stdout and /dev/stderr cannot be
 * opened. The last `exec` keeps the process id and the exit code; the redirection is a statement of its own because
 * then nothing but descriptors 1 and 2 is left open on the pipes.
 */
const PIPES = 'exec > >(exec cat) 2> >(exec cat >&2);';
/** When memory runs out the system is to end commands before Ship. */
const OFFER = "{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null;";

/**
 * Runs a command in a new login bash with a stripped environment. The call lasts until the command has ended and
 * nothing holds its output any more, or until the timeout, which kills the whole process group.
 */
export async function runShell(command: string, options: ShellOptions): Promise<ShellResult> {
  const { timeoutMs, signal } = options;
  const limit = options.maxOutput ?? LIMITS.output;
  const child = spawn("/bin/bash", ["-c", `${OFFER} ${PIPES} exec /bin/bash -l -c "$@"`, "bash", ...loginCommand(command, options)], {
    cwd: options.cwd, env: { ...loginEnv(options.home), ...options.env }, stdio: ["ignore", "pipe", "pipe"], detached: true,
  });
  const stdout = new BoundedBytes(limit);
  const stderr = new BoundedBytes(limit);
  child.stdout.on("data", (chunk: Buffer) => { stdout.push(chunk); });
  child.stderr.on("data", (chunk: Buffer) => { stderr.push(chunk); });
  const pid = child.pid ?? null;
  return new Promise((resolve) => {
    const end = (result: ShellResult): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      resolve(result);
    };
    const cut = (why: string): void => {
      signalGroup(pid, "SIGKILL");
      // A process that left the group may hold the pipes for ever; the answer does not wait for it.
      child.stdout.destroy();
      child.stderr.destroy();
      end({ success: false, return_code: -1, stdout: "", stderr: "", pid, error: why });
    };
    const onAbort = (): void => { cut("The caller went away"); };
    const timer = setTimeout(() => { cut("Command timed out"); }, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    child.once("error", (error) => { end(refused(error.message)); });
    child.once("close", (code, killedBy) => { end(finished(stdout, stderr, exitCode(code, killedBy), pid)); });
  });
}

/** Starts a command that nobody waits for; its output is dropped. Resolves when it runs, rejects when it cannot be started. */
export async function startShell(command: string, setting: CommandSetting): Promise<ChildProcess> {
  const child = spawn("/bin/bash", ["-c", `${OFFER} exec /bin/bash -l -c "$@"`, "bash", ...loginCommand(command, setting)], {
    cwd: setting.cwd, env: { ...loginEnv(setting.home), ...setting.env }, stdio: "ignore", detached: true,
  });
  await once(child, "spawn");
  return child;
}

/** Starts a login shell on a terminal of its own (terminal.py); its descriptor 3 takes sizes. */
export function startTerminal({ home, envFile }: Pick<CommandSetting, "home" | "envFile">, { cols, rows }: { cols: number; rows: number }): ChildProcess {
  const login = ["/bin/bash", "-c", `${OFFER} ${sourcing(envFile)} exec /bin/bash -l`];
  // Isolated, without site packages: nothing that the workspace holds may be loaded, and it starts in half the time.
  return spawn("python3", ["-I", "-S", path.join(__dirname, "terminal.py"), String(cols), String(rows), ...login], {
    cwd: home, env: loginEnv(home), stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
}

/** The answer to a command that was not run. */
export function refused(error: string): ShellResult {
  return { success: false, return_code: -1, stdout: "", stderr: "", pid: null, error };
}

/** Name and value of every variable that a command starts with; nothing of the container's own environment. */
export function loginEnv(home: string): Record<string, string> {
  return {
    HOME: home, USER: "shipyard", LOGNAME: "shipyard", SHELL: "/bin/bash", TERM: "xterm-256color", LANG: "C.UTF-8",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
}

function finished(stdout: BoundedBytes, stderr: BoundedBytes, code: number, pid: number | null): ShellResult {
  const texts = [stdout, stderr].map(decode);
  if (texts.includes(undefined)) {
    return { success: false, return_code: -1, stdout: "", stderr: "", pid, error: "the command's output is not UTF-8 text" };
  }
  return { success: code === 0, return_code: code, stdout: texts[0]!, stderr: texts[1]!, pid, error: stdout.cut() ?? stderr.cut() };
}

function decode(output: BoundedBytes): string | undefined {
  // Where output was cut, a character may be cut too; that is no fault of the command.
  if (output.cut()) return output.text();
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(output.bytes());
  } catch {
    return undefined;
  }
}

/** A shell reports death by a signal as 128 + its number; `exec` leaves that to us. */
function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  if (code !== null) return code;
  const numbers: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGABRT: 6, SIGFPE: 8, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15 };
  return signal ? 128 + (numbers[signal] ?? 0) : -1;
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
