import { PulumiCommand } from "@pulumi/pulumi/automation";
import * as automation from "@pulumi/pulumi/automation/cmd";
import * as failures from "@pulumi/pulumi/automation/errors";
import { execa } from "execa";
import { appendFileSync } from "node:fs";
import { pasteable } from "../../infra/support/exec";

/** What the Automation API expects of a command's end; its typings leave these two out. */
interface CommandResult {
  stdout: string;
  stderr: string;
  code: number;
}
const { CommandResult } = automation as unknown as {
  CommandResult: new (stdout: string, stderr: string, code: number) => CommandResult;
};
const { createCommandError } = failures as unknown as { createCommandError: (result: CommandResult) => Error };

/**
 * The Pulumi CLI for the Automation API, in a session of its own. A terminal sends Ctrl-C to the whole
 * process group; a CLI that had it already would take the runner's cancel for the second one and drop
 * everything (pulumi/pulumi #6334). So only the runner decides: its abort signal becomes one SIGINT.
 */
export async function detachedPulumi(): Promise<PulumiCommand> {
  const command = await PulumiCommand.get({ skipVersionCheck: true });
  // `run` is how the Automation API calls the CLI; its type hides it.
  return Object.assign(command, { run: runWhatIsRead });
}

/**
 * After each operation the Automation API asks for the outputs twice, masked and in clear, and for the stack's history.
 * Here only the outputs in clear are read, and each question is a start of the CLI: the other two get an empty answer.
 */
const runWhatIsRead: typeof runDetached = async (args, ...more) => {
  const [group, question] = args;
  if (group === "stack" && question === "history") return new CommandResult("[]", "", 0);
  if (group === "stack" && question === "output" && !args.includes("--show-secrets"))
    return new CommandResult("{}", "", 0);
  return runDetached(args, ...more);
};

/**
 * Commands whose output is that of an operation, in which Pulumi itself masks secrets; of all others only errors are
 * kept.
 */
const OPERATIONS = ["up", "preview", "refresh", "destroy"];

let logFile: string | undefined;

/** From now on every call of the CLI is written to a file as it happens, with the full output of operations. */
export function logPulumiTo(file: string): void {
  logFile = file;
}

function log(text: string): void {
  if (logFile) appendFileSync(logFile, text, { mode: 0o600 });
}

async function runDetached(
  args: string[],
  cwd: string,
  env: Record<string, string>,
  onOutput?: (data: string) => void,
  onError?: (data: string) => void,
  signal?: AbortSignal,
): Promise<CommandResult> {
  const words = args.includes("--non-interactive") ? args : [...args, "--non-interactive"];
  const child = execa("pulumi", words, {
    cwd,
    env: { ...env, PULUMI_AUTOMATION_API: "true" },
    detached: true,
    reject: false,
    stdin: "ignore",
  });
  const isOperation = OPERATIONS.includes(words[0] ?? "");
  log(`\n--- ${new Date().toISOString()} ${pasteable(["pulumi", ...words])}\n`);
  child.stdout?.on("data", (data: Buffer) => {
    if (isOperation) log(data.toString());
    onOutput?.(data.toString());
  });
  child.stderr?.on("data", (data: Buffer) => {
    log(data.toString());
    onError?.(data.toString());
  });
  const cancel = () => {
    child.kill("SIGINT");
  };
  signal?.addEventListener("abort", cancel);
  try {
    const { stdout, stderr, exitCode } = await child;
    log(`--- ended with ${exitCode ?? "a signal"}\n`);
    const result = new CommandResult(stdout, stderr, exitCode ?? 128);
    if (exitCode !== 0) throw createCommandError(result);
    return result;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}
