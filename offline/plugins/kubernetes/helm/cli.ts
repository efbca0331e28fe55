/** Calls of Helm's CLI. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { maskerOf } from "../../../../infra/support/secrets";
import type { ProviderConfig } from "../config";
import { portableKubeconfig } from "./kubeconfig";

/** One call. */
export interface HelmCall {
  /** Words after `helm`. Never secrets: every user of the host can read them. */
  args: readonly string[];
  /** Text for standard input: where values go. */
  input?: string;
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Texts that an error must not show. */
  secrets?: readonly string[];
  /** Asks Helm to stop, which then cleans up and records a failure instead of leaving a release that is pending. */
  signal?: AbortSignal;
}

/** Helm said no. */
export class HelmError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "HelmError";
  }
}

/** Helm's own variables that would lead it to another cluster or namespace than the provider's. */
const FOREIGN = /^HELM_(KUBE|NAMESPACE$|DEBUG$)/;

/** Helm's CLI, with the provider's cluster. */
export class Helm {
  /** Charts that this process fetched, by where they came from: one run installs what its preview showed. */
  readonly fetched = new Map<string, Promise<string>>();
  private file: string | undefined;
  private version: Promise<number> | undefined;

  constructor(private readonly config: ProviderConfig) {}

  /** A call that needs no cluster. Gives standard output. @throws HelmError with what Helm wrote to standard error */
  async local(call: HelmCall): Promise<string> {
    await this.major();
    return run(call, { ...environment(), ...this.settings(), ...call.env });
  }

  /** A call to the provider's cluster. */
  async remote(call: HelmCall): Promise<string> {
    this.file ??= privateFile("kubeconfig", portableKubeconfig(this.config));
    return this.local({ ...call, args: [...call.args, "--kubeconfig", this.file] });
  }

  /** Helm's major version. @throws Error that tells how to get it when there is none. */
  async major(): Promise<number> {
    this.version ??= run({ args: ["version", "--template", "{{.Version}}"] }, environment()).then((text) =>
      Number(/^v?(\d+)/.exec(text)?.[1] ?? 3),
    );
    return this.version;
  }

  /** What the program set as `helmReleaseSettings`, as Helm's variables. */
  private settings(): Record<string, string> {
    const { pluginsPath, registryConfigPath, repositoryConfigPath, repositoryCache } = this.config.helmReleaseSettings;
    const set = {
      HELM_DRIVER: "secret",
      HELM_PLUGINS: pluginsPath,
      HELM_REGISTRY_CONFIG: registryConfigPath,
      HELM_REPOSITORY_CONFIG: repositoryConfigPath,
      HELM_REPOSITORY_CACHE: repositoryCache,
    };
    return Object.fromEntries(Object.entries(set).filter((entry): entry is [string, string] => entry[1] !== undefined));
  }
}

let folder: string | undefined;

/** A folder that only this user can read, and that is gone when this process ends. */
export function privateFolder(): string {
  if (folder !== undefined) return folder;
  for (const name of readdirSync(tmpdir()).filter(isForsaken))
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  const made = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  process.once("exit", () => {
    rmSync(made, { recursive: true, force: true });
  });
  folder = made;
  return made;
}

const PREFIX = "bay-e2e-helm-";

/** Whether a process that was killed left a folder. */
function isForsaken(name: string): boolean {
  const pid = Number(name.startsWith(PREFIX) ? name.slice(PREFIX.length).split("-")[0] : NaN);
  if (Number.isNaN(pid)) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** A file in that folder; gives its path. */
export function privateFile(name: string, content: string): string {
  const file = join(mkdtempSync(join(privateFolder(), "file-")), name);
  writeFileSync(file, content, { mode: 0o600 });
  return file;
}

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN.test(name)));
}

function run({ args, input, secrets = [], signal }: HelmCall, env: NodeJS.ProcessEnv): Promise<string> {
  const mask = maskerOf(secrets);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new HelmError(`helm ${args[0] ?? ""} was cancelled before it began`));
      return;
    }
    const child = spawn("helm", args, { env, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (data: Buffer) => out.push(data));
    child.stderr.on("data", (data: Buffer) => err.push(data));
    const stop = (): void => {
      child.kill("SIGTERM");
    };
    signal?.addEventListener("abort", stop);
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "ENOENT"
          ? new HelmError(
              `no program "helm" on PATH, which the registry-only plugin calls for releases: install Helm 3.14 or newer, or run \`npm run setup\``,
            )
          : error,
      );
    });
    child.once("close", (code, killed) => {
      signal?.removeEventListener("abort", stop);
      if (code === 0) resolve(Buffer.concat(out).toString());
      else reject(new HelmError(mask(messageOf(Buffer.concat(err).toString(), args[0] ?? "", killed))));
    });
    // A Helm that fails before it reads closes its end.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input ?? "");
  });
}

/** What Helm wrote, without its own "Error:"; a Helm that was killed wrote nothing. */
function messageOf(stderr: string, command: string, killed: NodeJS.Signals | null): string {
  const lines = stderr
    .trim()
    .split("\n")
    .filter((line) => line !== "");
  if (lines.length === 0)
    return `helm ${command} ended ${killed === null ? "with an error and no word" : `by ${killed}`}`;
  return lines.map((line) => line.replace(/^Error: /, "")).join("\n");
}
