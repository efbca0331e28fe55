import { statfs } from "node:fs/promises";
import { UserError } from "../infra/support/errors";
import { tryRun } from "../infra/support/exec";

/** Bytes that images, volumes and logs of one run need at most. */
const DISK_NEEDED = 4e9;

/**
 * The checks that can break an `up` and cost next to nothing; each names its fix.
 * @throws UserError E_DOCKER_MISSING, E_DOCKER_PRIVILEGED or E_DISK
 */
export async function preflight(): Promise<void> {
  const info = await tryRun(["docker", "info", "--format", "{{json .}}"]);
  const facts = parseInfo(info.stdout);
  if (info.exitCode !== 0 || !facts?.ServerVersion) {
    throw new UserError("E_DOCKER_MISSING", { seen: info.stderr.split("\n").at(-1) || "no server", wanted: "a Docker daemon that answers", next: "npm run setup" });
  }
  if (facts.SecurityOptions?.some((option) => option.includes("rootless"))) {
    throw new UserError("E_DOCKER_PRIVILEGED", { seen: "a rootless Docker", wanted: "a Docker whose privileged containers have the host's privileges", next: "docker context use default" });
  }
  await requireDisk(facts.DockerRootDir ?? "/");
}

/**
 * Makes sure that a folder's disk has room.
 * @param needed bytes
 * @throws UserError E_DISK
 */
export async function requireDisk(folder: string, needed = DISK_NEEDED): Promise<void> {
  const disk = await statfs(folder).catch(() => undefined);
  if (!disk) return; // Docker in a virtual machine: its disk is not ours to see.
  const free = disk.bavail * disk.bsize;
  if (free < needed) {
    throw new UserError("E_DISK", { seen: `${(free / 1e9).toFixed(1)} GB free below ${folder}`, wanted: `${needed / 1e9} GB`, next: "docker system df   (then: npm run clean)" });
  }
}

interface DockerInfo { ServerVersion?: string; SecurityOptions?: string[] | null; DockerRootDir?: string }

function parseInfo(text: string): DockerInfo | undefined {
  try {
    return JSON.parse(text) as DockerInfo;
  } catch {
    return undefined;
  }
}
