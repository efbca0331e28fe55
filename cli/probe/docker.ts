import { release } from "node:os";
import { tryRun } from "../../infra/support/exec";

/** What a Docker daemon says of itself. */
export interface DockerInfo {
  version: string;
  /** Where images and volumes are, on the daemon's own disk. */
  root: string;
  rootless: boolean;
  /** User namespaces are remapped for every container, so that privileged ones are not what they say. */
  remapped: boolean;
  cgroup: { version: string; driver: string };
  store: { driver: string; containerd: boolean };
  /** Bytes of memory and number of processors of the daemon's machine. */
  memory: number;
  cpus: number;
  kernel: string;
  /** Whether the daemon runs on this machine's own kernel: what it cannot do can be looked up in /proc here. */
  here: boolean;
  /** Proxy of the daemon, as it stands in its settings. */
  proxy: string;
  noProxy: string;
  /** Milliseconds by which its clock is ahead of this process's. */
  clockAhead: number;
  mirrors: string[];
}

export interface DockerAnswer {
  info?: DockerInfo;
  /** Why there is no answer, in one line. */
  problem?: string;
}

/** Asks the daemon for itself once. @param timeout milliseconds, default 2000 */
export async function probeDocker(timeout = 2_000): Promise<DockerAnswer> {
  try {
    const { exitCode, stdout, stderr } = await tryRun(["docker", "info", "--format", "{{json .}}"], { timeout });
    const info = parseInfo(stdout, Date.now());
    return exitCode === 0 && info ? { info } : { problem: lastLine(serverErrors(stdout) || stderr) || "no server" };
  } catch (error) {
    return { problem: lastLine((error as { seen?: string }).seen ?? String(error)) };
  }
}

/** Reads what `docker info --format '{{json .}}'` printed; nothing where no server answered. */
export function parseInfo(text: string, now: number): DockerInfo | undefined {
  const raw = parse(text);
  if (!raw?.ServerVersion) return undefined;
  const security = raw.SecurityOptions ?? [];
  return {
    version: raw.ServerVersion,
    root: raw.DockerRootDir ?? "/var/lib/docker",
    rootless: security.some((option) => option.includes("rootless")),
    remapped: security.some((option) => option.includes("name=userns")),
    cgroup: { version: raw.CgroupVersion ?? "1", driver: raw.CgroupDriver ?? "none" },
    store: {
      driver: raw.Driver ?? "unknown",
      containerd: (raw.DriverStatus ?? []).some(([, value]) => value?.startsWith("io.containerd.snapshotter")),
    },
    memory: raw.MemTotal ?? 0,
    cpus: raw.NCPU ?? 0,
    kernel: raw.KernelVersion ?? "",
    here: raw.KernelVersion === release(),
    proxy: raw.HttpsProxy || raw.HttpProxy || "",
    noProxy: raw.NoProxy ?? "",
    mirrors: raw.RegistryConfig?.Mirrors ?? [],
    clockAhead: raw.SystemTime ? Date.parse(raw.SystemTime) - now : 0,
  };
}

/** What `docker info` prints; everything may be missing in an older or another daemon's answer. */
interface RawInfo {
  ServerVersion?: string;
  DockerRootDir?: string;
  SecurityOptions?: string[] | null;
  CgroupVersion?: string;
  CgroupDriver?: string;
  Driver?: string;
  DriverStatus?: [string, string?][] | null;
  MemTotal?: number;
  NCPU?: number;
  KernelVersion?: string;
  HttpProxy?: string;
  HttpsProxy?: string;
  NoProxy?: string;
  SystemTime?: string;
  RegistryConfig?: { Mirrors?: string[] | null } | null;
  ServerErrors?: string[] | null;
}

function parse(text: string): RawInfo | undefined {
  try {
    return JSON.parse(text) as RawInfo;
  } catch {
    return undefined;
  }
}

/** Newer clients print the reason into the JSON, older ones on standard error. */
function serverErrors(text: string): string {
  return (parse(text)?.ServerErrors ?? []).join(" ");
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split("\n")
      .at(-1)
      ?.replace(/^(ERROR|error during connect): /, "") ?? ""
  );
}
