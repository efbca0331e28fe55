import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { dockerLabelsOf, ownerOf, PREFIX, shorten } from "../../infra/naming";
import { UserError } from "../../infra/support/errors";
import { run, tryRun } from "../../infra/support/exec";
import type { E2eOptions } from "../testing/test-options";
import { dropImageNames, removeThings, SELF_VARIABLE } from "../clean-up/docker-things";
import { onInterrupt } from "../interrupt";
import { underMark } from "../clean-up/marks";
import { ARTIFACTS, ROOT } from "../paths";
import { phase } from "../progress";
import { down, prepare } from "../session";
import { GIVEN_TOOLS_VARIABLE, type Tools } from "../tools/setup";
import { readStackFile } from "../stack/stack-file";
import { settingsOf } from "../stack/stack-settings";
import { innerCommand, passedVariables } from "./command";
import { buildRunner, runnerImage } from "./image";

/** Where Docker's client looks for the daemon in the container. */
const SOCKET = "/var/run/docker.sock";

/**
 * The main job from inside a container that has every tool in it, on a stack that no other run has: its cluster is
 * beside the container, on the same Docker. Gives the exit code of the job.
 * @throws UserError E_USAGE, E_TOOL_MISSING, E_IMAGE_BUILD; E_DESTROY when something is left
 */
export async function inContainer(options: E2eOptions, words: readonly string[]): Promise<number> {
  const stackFile = requireUsable(options);
  const stack = shorten(`${options.stack}-${randomBytes(4).toString("hex")}`, 40);
  const interrupt = onInterrupt(
    "stopping the run in its container, which then destroys its cluster; press again to leave at once",
    () =>
      `Left at once: the run goes on in its container. End it and remove all of it with: npm run down -- --stack ${stack}`,
  );
  try {
    return await underMark(stack, "e2e", "setup", async () => {
      const tools = await prepare({ stack: options.stack, announce: true, signal: interrupt.signal });
      const runner = new Runner(stack, tools);
      let code: number;
      try {
        await runner.build(stackFile, interrupt.signal);
        interrupt.signal.throwIfAborted();
        code = await runner.run(innerCommand(stack, options, words), interrupt.signal);
        await runner.takeResults(options.junit);
      } catch (error) {
        if (!interrupt.received) throw error;
        code = 130;
      } finally {
        await runner.remove();
        await down(stack);
      }
      return interrupt.received ? 130 : code;
    });
  } finally {
    interrupt.release();
  }
}

/** The container of one run. */
class Runner {
  readonly #name: string;
  /** Once it was made; what merely has its name is somebody else's. */
  #id: string | undefined;

  constructor(
    private readonly stack: string,
    private readonly tools: Tools,
  ) {
    this.#name = `${PREFIX}-runner-${stack}`;
  }

  async build(stackFile: string, signal: AbortSignal): Promise<void> {
    const { lacking } = await phase("Runner image", (tell) => buildRunner(this.stack, stackFile, { tell, signal }));
    if (lacking.length > 0)
      process.stderr.write(`  not in the runner image, because this host does not have it: ${lacking.join(", ")}\n`);
  }

  /** Runs a command to its end, with its output on ours; a signal is passed on. @returns its exit code */
  async run(command: readonly string[], signal: AbortSignal): Promise<number> {
    const labels = Object.entries(dockerLabelsOf(ownerOf(ROOT, this.stack))).flatMap(([key, value]) => [
      "--label",
      `${key}=${value}`,
    ]);
    const passed = {
      [SELF_VARIABLE]: this.#name,
      [GIVEN_TOOLS_VARIABLE]: JSON.stringify({ env: {}, notes: this.tools.notes }),
      BAY_E2E_IMAGES: process.env["BAY_E2E_IMAGES"] ?? "{}",
    };
    const variables = [...Object.keys(passed), ...passedVariables()].flatMap((name) => ["--env", name]);
    this.#id = await run(
      [
        "docker",
        "create",
        "--name",
        this.#name,
        "--hostname",
        shorten(this.#name),
        "--init",
        "--network",
        "host",
        ...labels,
        ...variables,
        ...(await wayToDocker()),
        "--workdir",
        ROOT,
        runnerImage(this.stack),
        ...command,
      ],
      { env: passed },
    );
    process.stderr.write(`> In container ${this.#name}, on stack ${this.stack}\n`);
    // In a session of its own: a terminal's Ctrl-C comes here alone, and once.
    const attached = execa("docker", ["start", "--attach", this.#name], {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      detached: true,
      reject: false,
    });
    const stop = () => {
      void tryRun(["docker", "kill", "--signal", "INT", this.#name]).catch(() => undefined);
    };
    signal.addEventListener("abort", stop, { once: true });
    await attached;
    signal.removeEventListener("abort", stop);
    return Number(await run(["docker", "inspect", "--format", "{{.State.ExitCode}}", this.#name]));
  }

  /** Copies the artifacts out, whatever became of the run. */
  async takeResults(junit: string | undefined): Promise<void> {
    mkdirSync(ARTIFACTS, { recursive: true });
    const { exitCode, stderr } = await tryRun(["docker", "cp", `${this.#name}:${ARTIFACTS}/.`, ARTIFACTS]);
    if (exitCode !== 0) {
      process.stderr.write(`  no artifacts could be copied out of the container: ${stderr}\n`);
      return;
    }
    const folders = readdirSync(ARTIFACTS)
      .filter((name) => name.includes(`-${this.stack}-`))
      .map((name) => join(ARTIFACTS, name));
    for (const folder of folders) process.stderr.write(`  copied out of the container: ${folder}\n`);
    const report = folders.map((folder) => join(folder, "junit.xml")).find((file) => existsSync(file));
    if (junit === undefined || report === undefined) return;
    mkdirSync(dirname(junit), { recursive: true });
    copyFileSync(report, junit);
  }

  /** Removes container and image. Of a run that was killed, `down` or `sweep` does the same by label and name. */
  async remove(): Promise<void> {
    if (this.#id !== undefined)
      await removeThings([{ kind: "container", id: this.#id, name: this.#name, labels: {}, created: "" }]);
    await dropImageNames(this.stack);
  }
}

/** The content of the run's stack file: the configuration of the stack that was named. */
function requireUsable({ stack, keep, keepOnFailure }: E2eOptions): string {
  if (process.platform !== "linux")
    throw new UserError("E_TOOL_MISSING", {
      seen: `a host of ${process.platform}`,
      wanted: "Linux, whose programs run in the container too",
      next: "npm run e2e   (the same on this host itself)",
    });
  if (keep || keepOnFailure)
    throw new UserError("E_USAGE", {
      seen: "--in-container with --keep or --keep-on-failure",
      wanted: "one of the two: what is known of the stack goes with the container",
      next: "npm run e2e -- --keep",
    });
  const { backend } = settingsOf(stack);
  if (backend !== "k3s" && backend !== "kind")
    throw new UserError("E_USAGE", {
      seen: `--in-container with the stack ${stack} of backend ${backend}`,
      wanted: "a backend that makes a cluster: k3s or kind",
      next: "npm run e2e -- --in-container --backend k3s",
    });
  const config = readStackFile(stack)?.config ?? {};
  const shut = Object.entries(config)
    .filter(([, value]) => typeof value === "object" && value !== null && "secure" in value)
    .map(([key]) => key);
  if (shut.length > 0)
    throw new UserError("E_CONFIG", {
      seen: `stack ${stack} has secrets: ${shut.join(", ")}`,
      wanted: "a stack without secrets, whose passphrase stays on the host",
      next: "npm run e2e -- --in-container --stack another   (Cedana's token: export CEDANA_AUTH_TOKEN=…)",
    });
  return stringify({
    config: {
      "bay-e2e:backend": backend,
      ...Object.fromEntries(Object.entries(config).map(([key, value]) => [`bay-e2e:${key}`, value])),
    },
  });
}

/** What lets the container talk to the daemon that this process talks to. */
async function wayToDocker(): Promise<string[]> {
  const host = (await run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])).trim();
  return host.startsWith("unix://")
    ? ["--volume", `${host.slice("unix://".length)}:${SOCKET}`]
    : ["--env", `DOCKER_HOST=${host}`];
}
