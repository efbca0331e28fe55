import { execa, type Options } from "execa";
import { createInterface } from "node:readline";
import { UserError } from "./errors";

/** How a command is run. */
export interface RunOptions {
  cwd?: string;
  /** Added to this process's environment. */
  env?: NodeJS.ProcessEnv;
  /** Text or bytes for standard input; without it standard input is closed. */
  input?: string | Uint8Array;
  /** Milliseconds until the command is ended; default 120 000. */
  timeout?: number;
  /** Values that must not appear in an error or a log. */
  secrets?: readonly string[];
  /** Each line of standard error as it comes: where commands tell their progress. */
  onLine?: (line: string) => void;
  /** Ends the command when it fires. */
  signal?: AbortSignal;
}

export interface RunResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Replaces every secret by `[secret]`. */
export function mask(text: string, secrets: readonly string[] = []): string {
  return secrets
    .filter((secret) => secret !== "")
    .reduce((masked, secret) => masked.replaceAll(secret, "[secret]"), text);
}

/** The command as one line that can be pasted into a shell. */
export function pasteable(argv: readonly string[]): string {
  return argv.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
}

/**
 * Runs a command and gives its result whatever its exit code.
 * @throws UserError E_TOOL_MISSING when the program is not found, E_COMMAND_TIMEOUT at the deadline.
 */
export async function tryRun(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<RunResult> {
  const [file, ...args] = argv;
  const timeout = options.timeout ?? 120_000;
  // A deadline of our own: execa's timer outlives a program that could not be started, and keeps this process alive.
  const deadline = AbortSignal.timeout(timeout);
  const settings: Options = {
    cwd: options.cwd,
    env: options.env,
    reject: false,
    stripFinalNewline: true,
    maxBuffer: 256 * 1024 * 1024,
    ...(options.input === undefined
      ? { stdin: "ignore" }
      : { input: typeof options.input === "string" ? options.input : Buffer.from(options.input) }),
    signal: options.signal ? AbortSignal.any([options.signal, deadline]) : deadline,
  };
  const child = execa(file, args, settings);
  const { onLine } = options;
  if (onLine && child.stderr)
    createInterface({ input: child.stderr }).on("line", (line) => {
      onLine(mask(line, options.secrets));
    });
  const result = await child;
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const shown = mask(pasteable(argv), options.secrets);
  if ((result as { code?: string }).code === "ENOENT")
    throw new UserError("E_TOOL_MISSING", {
      seen: `no program "${file}" on PATH`,
      wanted: `"${file}"`,
      next: "npm run setup",
      cause: result,
    });
  if (result.isCanceled && deadline.aborted && !options.signal?.aborted) {
    throw new UserError("E_COMMAND_TIMEOUT", {
      seen: `still running after ${timeout / 1000} s`,
      wanted: "an end",
      next: shown,
      detail: mask(tail(text(result.stderr) || text(result.stdout)), options.secrets),
    });
  }
  return { exitCode: result.exitCode ?? 128, stdout: text(result.stdout), stderr: text(result.stderr) };
}

/**
 * Runs a command that must succeed and gives its standard output.
 * @throws UserError E_COMMAND with the command to paste, its exit code and the end of its output.
 */
export async function run(argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(argv, options);
  if (result.exitCode !== 0) {
    throw new UserError("E_COMMAND", {
      seen: `exit code ${result.exitCode}`,
      wanted: "exit code 0",
      next: mask(pasteable(argv), options.secrets),
      detail: mask(tail(result.stderr || result.stdout), options.secrets),
    });
  }
  return result.stdout;
}

/** The last `count` lines of a text. */
export function tail(text: string, count = 20): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}
