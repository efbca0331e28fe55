import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { cacheFolder } from "../../tools/cache";
import { bytes } from "../../table";
import { type CheckSpec, fail, type Finding, needsDocker, ok, warn } from "../check";

/** Room on the disk of a folder. */
export interface Room {
  folder: string;
  /** Bytes that this user may still write. */
  free: number;
}

/** Bytes that the images, volumes and logs of one run need at most. */
const RUN = 4e9;
/** Bytes that the tools of a registry-only host need while they are built, Go's caches included. */
const TOOLS = 6e9;
const TEMPORARY = 1e9;

/** Below Docker's own folder; one in another machine is not ours to see. */
export const dockerDisk: CheckSpec<Room> = {
  name: "disk of Docker",
  cost: "cheap",
  preflight: true,
  probe: async (subject) =>
    subject.docker.info && needsDocker(subject) ? roomOf(subject.docker.info.root) : undefined,
  judge: (room) =>
    judgeRoom(room, RUN, (found, needed) => fail(found, needed, "docker system df   (then: npm run clean)", "E_DISK")),
};

/** Below the cache, where tools are built once. */
export const cacheDisk: CheckSpec<Room & { built: boolean }> = {
  name: "disk of the cache",
  cost: "cheap",
  probe: async () => {
    const room = await roomOf(nearestFolder(cacheFolder()));
    return room && { ...room, built: existsSync(cacheFolder()) };
  },
  judge: ({ built, ...room }) =>
    judgeRoom(room, built ? TEMPORARY : TOOLS, (found, needed) =>
      warn(found, needed, "export BAY_E2E_CACHE=/a/folder/with/room"),
    ),
};

/** Temporary files: the packages of builds, Jest's cache. */
export const temporaryDisk: CheckSpec<Room> = {
  name: "disk of temporary files",
  cost: "cheap",
  probe: () => roomOf(tmpdir()),
  judge: (room) =>
    judgeRoom(room, TEMPORARY, (found, needed) => warn(found, needed, "export TMPDIR=/a/folder/with/room")),
};

function judgeRoom(
  { folder, free }: Room,
  needed: number,
  otherwise: (found: string, needed: string) => Finding,
): Finding {
  const found = `${bytes(free)} free below ${folder}`;
  return free < needed ? otherwise(found, bytes(needed)) : ok(found, bytes(needed));
}

async function roomOf(folder: string): Promise<Room | undefined> {
  const disk = await statfs(folder).catch(() => undefined);
  return disk && { folder, free: disk.bavail * disk.bsize };
}

/** The folder itself, or the one above it that exists. */
function nearestFolder(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}
