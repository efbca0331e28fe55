/** Running the user's program in a child process. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ProgramInfo, RunRequest } from "@pulumi/pulumi/proto/language_pb";
import { ended, type Children, type Exit } from "./children";
import { readOptions, type RuntimeOptions } from "./options";
import { sdkModule } from "./sdk";

/** With this code the SDK says: it failed, and the user has been told all there is. */
const EXIT_ALREADY_REPORTED = 32;

export interface Host {
  /** Address of the engine. */
  engine: string;
  children: Children;
}

/** How the program ended: all well, an error to show, or an error that was shown already. */
export type RunOutcome = { kind: "done" } | { kind: "reported" } | { kind: "failed"; message: string };

/** Runs the program of a request; `cancelled` fires when the engine gives up. */
export async function runProgram(request: RunRequest, host: Host, cancelled: AbortSignal): Promise<RunOutcome> {
  const { directory, entry } = programOf(request);
  const options = readOptions(request.getInfo()?.getOptions());
  const child = host.children.start(
    process.execPath,
    [
      ...options.nodeargs,
      sdkModule("cmd/run", directory),
      ...runArguments(request, host, directory),
      entry,
      ...request.getArgsList(),
    ],
    {
      cwd: directory,
      env: { ...process.env, ...programEnvironment(request, options) },
      // The engine reads this host's output and shows it as the program's.
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  cancelled.addEventListener("abort", () => {
    child.kill("SIGKILL");
  });
  return outcome(await ended(child));
}

function programOf(request: RunRequest): { directory: string; entry: string } {
  const info = request.getInfo();
  return {
    directory: info?.getProgramDirectory() || request.getPwd(),
    entry: info?.getEntryPoint() || request.getProgram() || ".",
  };
}

function runArguments(request: RunRequest, host: Host, directory: string): string[] {
  const flags: [string, string | undefined][] = [
    ["monitor", request.getMonitorAddress()],
    ["engine", host.engine],
    ["project", request.getProject()],
    ["stack", request.getStack()],
    ["pwd", directory],
    ["root-directory", request.getInfo()?.getRootDirectory()],
    ["organization", request.getOrganization()],
    ["parallel", String(request.getParallel())],
    // Only SDKs before 3.0 know it; written as one word it is harmless to the others.
    ["query-mode", request.getQuerymode() ? "true" : undefined],
  ];
  return [
    ...flags.flatMap(([name, value]) => (value ? [`--${name}=${value}`] : [])),
    ...(request.getDryrun() ? ["--dry-run"] : []),
  ];
}

function programEnvironment(request: RunRequest, options: RuntimeOptions): NodeJS.ProcessEnv {
  return {
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().getEntryList())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    ...typescriptEnvironment(options, request.getInfo()),
  };
}

/** The SDK compiles TypeScript only when the host tells it to by environment. */
export function typescriptEnvironment(options: RuntimeOptions, info: ProgramInfo | undefined): NodeJS.ProcessEnv {
  return {
    ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
    ...(options.tsconfig ? { PULUMI_NODEJS_TSCONFIG_PATH: tsconfigPath(options.tsconfig, info) } : {}),
  };
}

/** The SDK takes the path relative to the program's folder; a user thinks of the folder in which Pulumi.yaml is. */
function tsconfigPath(given: string, info: ProgramInfo | undefined): string {
  const candidates = [info?.getProgramDirectory(), info?.getRootDirectory()].map((folder) =>
    resolve(folder ?? "", given),
  );
  return candidates.find(existsSync) ?? given;
}

function outcome(exit: Exit): RunOutcome {
  if ("signal" in exit) return { kind: "failed", message: `Program was ended by ${exit.signal}` };
  if (exit.code === 0) return { kind: "done" };
  if (exit.code === EXIT_ALREADY_REPORTED) return { kind: "reported" };
  return { kind: "failed", message: `Program exited with non-zero exit code: ${exit.code}` };
}
