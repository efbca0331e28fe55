import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../infra/support/errors";
import { run, tail, tryRun } from "../../infra/support/exec";
import { waitFor } from "../../infra/support/wait";
import { cached, cacheRoot, type Entry, entryPath, recipeHash, withLock } from "../cache";
import { DEBIAN_ARCH, debianSource, unpackPackages } from "../host/debian";
import { findProgram, requireDisk, requireLinux, requireRoot } from "../host/preconditions";
import type { Step } from "../steps";
import { VERSIONS } from "../versions";

/** Where a daemon listens and keeps its things. */
export interface EngineSettings {
  /** Unix socket. */
  socket: string;
  dataRoot: string;
  execRoot: string;
  pidFile: string;
  /** Further arguments of dockerd. */
  args: readonly string[];
  /**
   * A command that runs the daemon in surroundings of its own, e.g. `unshare --net`. A second daemon on a host needs
   * one: dockerd takes the bridge docker0 for its own, and with `--bridge=none` deletes it, whoever uses it.
   */
  within?: readonly string[];
}

/** Docker's own defaults, so that every client finds the daemon. */
const DEFAULTS: EngineSettings = {
  socket: "/var/run/docker.sock",
  dataRoot: "/var/lib/docker",
  execRoot: "/var/run/docker",
  pidFile: "/var/run/docker.pid",
  args: [],
};

/** Seconds that a daemon may take until it answers; a large data root takes longest. */
const START_SECONDS = 60;

/**
 * Docker's packages. Those of the newer suite are Go programs that run on an older C library; runc and tini do not,
 * and come from the host's own suite.
 */
const PACKAGES = {
  suite: VERSIONS.suites.docker,
  newer: ["docker.io", "docker-cli", "containerd"],
  own: ["runc", "tini"],
};

/** The steps to a daemon that answers; none where one does. */
export async function engineSteps(settings = DEFAULTS): Promise<Step[]> {
  if (await answers(settings.socket)) return [];
  requireLinux();
  requireRoot("Docker's daemon needs it");
  const steps: Step[] = [];
  if (!existsSync(entryPath(engineEntry()))) {
    requireDisk(2);
    steps.push({
      name: "dockerEngine",
      title: "Docker Engine from Debian's packages",
      work: async () => {
        await enginePath();
      },
    });
  }
  steps.push({ name: "dockerStart", title: "starting the Docker daemon", work: () => startEngine(settings) });
  return steps;
}

/** What must be on PATH: our docker CLI where the host has none. */
export function engineEnvironment(): { path: string[] } {
  const bin = join(entryPath(engineEntry()), "usr/bin");
  const own = process.env["PATH"]?.split(":").includes(bin) ?? false;
  return { path: existsSync(bin) && (own || !findProgram("docker")) ? [bin] : [] };
}

/** One line when the daemon that runs is ours. */
export function engineNotes(): string[] {
  return runningPid(recordFile()) === undefined
    ? []
    : [`Docker Engine from Debian ${VERSIONS.suites.docker}'s packages, started here (no daemon answered)`];
}

export async function engineStatus(): Promise<string> {
  const pid = runningPid(recordFile());
  if (pid !== undefined) return `Docker daemon started here, pid ${pid}, log ${logFile()}`;
  return (await answers(DEFAULTS.socket))
    ? "Docker daemon: one that was not started here"
    : "Docker daemon: none answers";
}

function engineEntry(): Entry {
  return {
    name: "docker-engine",
    version: PACKAGES.suite,
    hash: recipeHash([], [JSON.stringify(PACKAGES), DEBIAN_ARCH]),
  };
}

/** The folder of the daemon's programs, which are unpacked first where they are missing. */
export function enginePath(): Promise<string> {
  return cached(engineEntry(), async (folder) => {
    const work = join(folder, "work");
    mkdirSync(work);
    await unpackPackages(PACKAGES.suite, PACKAGES.newer, folder, join(work, "newer"));
    await unpackPackages(debianSource().codename, PACKAGES.own, folder, join(work, "own"));
    rmSync(work, { recursive: true, force: true });
  });
}

// --- start -----------------------------------------------------------------------------------------------

/**
 * Starts the daemon and waits until it answers.
 * @throws UserError E_DOCKER_MISSING with the end of the daemon's log
 */
export async function startEngine(settings = DEFAULTS, root = cacheRoot()): Promise<void> {
  await withLock(
    "docker-start",
    async () => {
      if (await answers(settings.socket)) return;
      const engine = await enginePath();
      await requireIptables(settings);
      removeStale(settings);
      const env = {
        ...process.env,
        PATH: [join(engine, "usr/sbin"), join(engine, "usr/bin"), "/usr/sbin", "/sbin", process.env["PATH"] ?? ""].join(
          ":",
        ),
      };
      mkdirSync(join(root, "docker"), { recursive: true });
      const log = openSync(logFile(root), "w");
      const [program, ...words] = [...(settings.within ?? []), join(engine, "usr/sbin/dockerd")];
      const daemon = spawn(
        program!,
        [
          ...words,
          `--host=unix://${settings.socket}`,
          `--data-root=${settings.dataRoot}`,
          `--exec-root=${settings.execRoot}`,
          `--pidfile=${settings.pidFile}`,
          ...settings.args,
        ],
        { detached: true, stdio: ["ignore", log, log], env },
      );
      closeSync(log);
      let ended: string | undefined;
      daemon.once("error", (error) => {
        ended = error.message;
      });
      daemon.once("exit", (code, signal) => {
        ended = `it ended with ${signal ?? `exit code ${code}`}`;
      });
      const failure = (seen: string) =>
        new UserError("E_DOCKER_MISSING", {
          seen,
          wanted: `a daemon at ${settings.socket}`,
          next: `less ${logFile(root)}`,
          detail: tail(readFileSync(logFile(root), "utf8"), 12),
        });
      await waitFor(
        async () => {
          if (ended !== undefined) throw failure(`dockerd: ${ended}`);
          return (await answers(settings.socket)) ? { value: true } : { reason: "it does not answer yet" };
        },
        { deadline: START_SECONDS * 1000, interval: 100 },
        (reason, seconds) => failure(`dockerd after ${seconds} s: ${reason}`),
      );
      daemon.unref();
      writeFileSync(recordFile(root), JSON.stringify({ pid: daemon.pid, started: startTime(daemon.pid!) }));
    },
    root,
  );
}

/** The one package that goes onto the host: it is small, and its programs look for their modules in fixed places. */
async function requireIptables(settings: EngineSettings): Promise<void> {
  if (
    settings.args.includes("--iptables=false") ||
    findProgram("iptables", `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`)
  )
    return;
  await run(["apt-get", "update", "-qq"], { timeout: 300_000 });
  await run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "iptables"], {
    timeout: 300_000,
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
}

/**
 * A daemon that was killed leaves its pid file and socket, and its containerd's: where another program has that
 * pid by now, dockerd refuses to start. A containerd that lives on is taken over by the new daemon.
 */
function removeStale(settings: EngineSettings): void {
  const folder = join(settings.execRoot, "containerd");
  const daemon = livingPid(settings.pidFile, "dockerd");
  if (daemon !== undefined) {
    throw new UserError("E_DOCKER_MISSING", {
      seen: `dockerd runs (pid ${daemon}), but does not answer at ${settings.socket}`,
      wanted: "a daemon that answers, or none",
      next: `kill ${daemon}`,
    });
  }
  const stale = [settings.pidFile, settings.socket];
  if (livingPid(join(folder, "containerd.pid"), "containerd") === undefined)
    stale.push(...["containerd.pid", "containerd.sock", "containerd.sock.ttrpc"].map((name) => join(folder, name)));
  for (const file of stale) rmSync(file, { force: true });
}

/** The pid in a file, when a program of that name has it. */
function livingPid(file: string, command: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, "utf8"));
  return startTime(pid) !== "" && commandOf(pid) === command ? pid : undefined;
}

// --- stop ------------------------------------------------------------------------------------------------

/** Ends the daemon that `startEngine` started, and no other; says what it did. */
export async function stopEngine(root = cacheRoot()): Promise<string> {
  const pid = runningPid(recordFile(root));
  if (pid === undefined) return "no Docker daemon was started here";
  process.kill(pid, "SIGTERM");
  await waitFor(
    () =>
      Promise.resolve(
        runningPid(recordFile(root)) === undefined ? { value: true } : { reason: `dockerd (pid ${pid}) still runs` },
      ),
    { deadline: 30_000, interval: 100 },
    (reason) => new UserError("E_COMMAND_TIMEOUT", { seen: reason, wanted: "its end", next: `kill -9 ${pid}` }),
  );
  rmSync(recordFile(root), { force: true });
  return `stopped the Docker daemon (pid ${pid})`;
}

function recordFile(root = cacheRoot()): string {
  return join(root, "docker", "daemon.json");
}

function logFile(root = cacheRoot()): string {
  return join(root, "docker", "dockerd.log");
}

/** Whether a daemon answers; with the default settings the one that the user's own environment or context names. */
async function answers(socket: string): Promise<boolean> {
  const docker = findProgram("docker") ?? join(entryPath(engineEntry()), "usr/bin/docker");
  if (!existsSync(docker)) return false;
  const host = socket === DEFAULTS.socket ? [] : ["--host", `unix://${socket}`];
  return (
    (await tryRun([docker, ...host, "version", "--format", "{{.Server.Version}}"], { timeout: 20_000 })).exitCode === 0
  );
}

/** The recorded daemon's pid while that very process runs; a number that another process got meanwhile is none. */
function runningPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const { pid, started } = JSON.parse(readFileSync(file, "utf8")) as { pid: number; started: string };
  return startTime(pid) === started ? pid : undefined;
}

/** When a process started, in ticks since boot; empty when there is none or it is a zombie. */
function startTime(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    return fields[0] === "Z" ? "" : fields[19]!;
  } catch {
    return "";
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}
