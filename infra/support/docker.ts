import { spawn } from "node:child_process";
import { requireAnswer } from "./docker-answer";
import { askNow } from "./docker-inspect";
import { UserError } from "./errors";
import { pasteable, run, tail, tryRun } from "./exec";

/** What is known of a container. */
export interface ContainerState {
  running: boolean;
  exitCode: number;
  /** Host ports by container port, e.g. `6443/tcp` to 40123. */
  ports: Record<string, number>;
}

/**
 * State of a container, or nothing where there is none of that id or name.
 * @throws UserError E_DOCKER_MISSING, E_COMMAND if Docker does not say whether there is one
 */
export async function inspectContainer(container: string): Promise<ContainerState | undefined> {
  const result = await ask(["docker", "container", "inspect", container]);
  if (result.exitCode !== 0) return undefined;
  const [facts] = JSON.parse(result.stdout) as [
    {
      State: { Running: boolean; ExitCode: number };
      HostConfig: { PortBindings: PortMap };
      NetworkSettings: { Ports: PortMap };
    },
  ];
  const bound = Object.entries(facts.NetworkSettings.Ports ?? {}).map(([port, hosts]) => [
    port,
    Number(hosts?.[0]?.HostPort ?? 0),
  ]);
  return {
    running: facts.State.Running,
    exitCode: facts.State.ExitCode,
    ports: Object.fromEntries(bound) as Record<string, number>,
  };
}

/** Names and host names of the containers that run. @throws UserError E_DOCKER_MISSING, E_COMMAND */
export async function runningContainers(): Promise<{ name: string; hostname: string }[]> {
  const ids = (await ask(["docker", "ps", "--quiet"])).stdout.split("\n").filter(Boolean);
  if (ids.length === 0) return [];
  const { stdout } = await ask(["docker", "inspect", "--format", "{{.Name}} {{.Config.Hostname}}", ...ids]);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [name = "", hostname = ""] = line.split(" ");
      return { name: name.replace(/^\//, ""), hostname };
    });
}

/** Runs a command in a container and gives its result whatever its exit code. */
export function execIn(container: string, argv: readonly string[]): ReturnType<typeof tryRun> {
  return tryRun(["docker", "exec", container, ...argv]);
}

/** Starts a container that stopped; one that ends at once again is for the caller to find. */
export async function startContainer(container: string): Promise<void> {
  await tryRun(["docker", "start", container]);
}

/** Empties a volume that no container uses, by making it anew with the same labels. */
export async function recreateVolume(volume: string, labels: Record<string, string>): Promise<void> {
  await run(["docker", "volume", "rm", "--force", volume]);
  await run([
    "docker",
    "volume",
    "create",
    ...Object.entries(labels).flatMap(([label, value]) => ["--label", `${label}=${value}`]),
    volume,
  ]);
}

/** The last lines that a container printed. */
export async function logsOf(container: string, lines = 20): Promise<string> {
  const result = await tryRun(["docker", "logs", "--tail", String(lines), container]);
  return tail(`${result.stdout}\n${result.stderr}`, lines);
}

/**
 * Ids of images that the local store has, by reference or id; what it lacks is absent.
 * @throws UserError E_DOCKER_MISSING, E_COMMAND
 */
export async function localImages(names: readonly string[]): Promise<Map<string, string>> {
  const found = await Promise.all(
    names.map(
      async (name) => [name, (await ask(["docker", "image", "inspect", "--format", "{{.Id}}", name])).stdout] as const,
    ),
  );
  return new Map(found.filter(([, id]) => id !== ""));
}

/**
 * The value of a label of an image that the local store has; empty where either is missing. Waits for Docker, as what
 * is declared may depend on it.
 * @throws UserError E_DOCKER_MISSING, E_COMMAND
 */
export function labelOfLocalImage(image: string, label: string): string {
  const format = `{{index .Config.Labels ${JSON.stringify(label)}}}`;
  return askNow(["docker", "image", "inspect", "--format", format, image], 10_000).trim();
}

/** Gives an image one more name. */
export async function tagImage(image: string, name: string): Promise<void> {
  await run(["docker", "tag", image, name]);
}

/**
 * Pipes images from the local store into a command that runs in a container.
 * @returns bytes that went through
 * @throws UserError E_COMMAND with the output of whichever side failed
 */
export async function saveInto(images: readonly string[], container: string, argv: readonly string[]): Promise<number> {
  const save = spawn("docker", ["save", ...images], { stdio: ["ignore", "pipe", "pipe"], env: process.env });
  const load = spawn("docker", ["exec", "-i", container, ...argv], {
    stdio: ["pipe", "pipe", "pipe"],
    env: process.env,
  });
  let bytes = 0;
  save.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  // An importer may close its end at the archive's last entry; what follows is padding, and is read for the other
  // side's sake.
  load.stdin
    .on("error", () => undefined)
    .on("close", () => {
      save.stdout.unpipe(load.stdin).resume();
    });
  save.stdout.pipe(load.stdin);
  const [saved, loaded] = await Promise.all([end(save), end(load)]);
  if (saved.exitCode !== 0 || loaded.exitCode !== 0) {
    throw new UserError("E_COMMAND", {
      seen: `docker save ended with ${saved.exitCode}, the import with ${loaded.exitCode}`,
      wanted: "0 and 0",
      next: `docker save ${pasteable(images)} | docker exec -i ${container} ${pasteable(argv)}`,
      detail: tail(`${saved.output}\n${loaded.output}`),
    });
  }
  return bytes;
}

/** Runs a `docker` command that may say that there is no such thing. @throws UserError if Docker itself fails */
async function ask(argv: readonly [string, ...string[]]): ReturnType<typeof tryRun> {
  const result = await tryRun(argv);
  requireAnswer(argv, result);
  return result;
}

type PortMap = Record<string, { HostPort: string }[] | null> | null;

function end(child: ReturnType<typeof spawn>): Promise<{ exitCode: number; output: string }> {
  let output = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve) => {
    child.on("error", (error) => {
      resolve({ exitCode: 127, output: error.message });
    });
    child.on("close", (code) => {
      resolve({ exitCode: code ?? 128, output });
    });
  });
}
