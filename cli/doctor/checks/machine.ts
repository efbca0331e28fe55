import { readFile, statfs } from "node:fs/promises";
import { cpus, freemem, totalmem } from "node:os";
import { bytes } from "../../table";
import { type CheckSpec, NODE_BACKENDS, ok, type Subject, warn } from "../check";

/** Magic number of a file system of cgroup v2; see statfs(2). */
const CGROUP2 = 0x63677270;

/** Whether nodes run on this host's own kernel, so that its limits are theirs. */
const here = ({ docker }: Subject) => docker.info?.here ?? false;

/** Memory and processors of the machine that the nodes run on. */
export const memory: CheckSpec<{ total: number; available: number | undefined }> = {
  name: "memory",
  backends: NODE_BACKENDS,
  cost: "cheap",
  probe: async (subject) => ({
    total: subject.docker.info?.memory ?? totalmem(),
    available: subject.docker.info?.here === false ? undefined : await availableMemory(),
  }),
  judge: ({ total, available }) => {
    const free = available ?? total;
    const found = available === undefined ? bytes(total) : `${bytes(available)} of ${bytes(total)} free`;
    return free < 3e9
      ? warn(found, "3.0 GB", "end what else runs, or give Docker's machine more memory: pods may be killed or evicted")
      : ok(found, "3.0 GB");
  },
};

export const processors: CheckSpec<{ count: number }> = {
  name: "processors",
  backends: NODE_BACKENDS,
  cost: "cheap",
  probe: ({ docker }) => Promise.resolve({ count: docker.info?.cpus ?? cpus().length }),
  judge: ({ count }) =>
    count < 2
      ? warn(String(count), "2", "readyTimeout and podStartupTimeout need more than their defaults here")
      : ok(String(count), "2"),
};

/** Since 1.35 the kubelet refuses cgroup v1 unless it is told not to; the nodes made here are told. */
export const cgroup: CheckSpec<{ host: "v1" | "v2" | undefined; docker: string; driver: string }> = {
  name: "cgroup",
  backends: NODE_BACKENDS,
  cost: "cheap",
  probe: async (subject) => {
    if (!subject.docker.info) return undefined;
    const type = here(subject)
      ? await statfs("/sys/fs/cgroup").then(
          (found) => found.type,
          () => undefined,
        )
      : undefined;
    return {
      host: type === undefined ? undefined : type === CGROUP2 ? "v2" : "v1",
      docker: `v${subject.docker.info.cgroup.version}`,
      driver: subject.docker.info.cgroup.driver,
    };
  },
  judge: ({ host, docker, driver }) => {
    const found = `${host === undefined || host === docker ? docker : `${host}, Docker ${docker}`}, driver ${driver}`;
    return docker === "v2"
      ? ok(found, "v2")
      : warn(
          `${found}: kubelet 1.35 and newer starts only because the nodes set failCgroupV1 to false`,
          "v2",
          "boot with systemd.unified_cgroup_hierarchy=1",
        );
  },
};

/** What kind's list of known issues asks for; below it, "too many open files" ends pods that follow files. */
export const inotify: CheckSpec<{ watches: number; instances: number }> = {
  name: "inotify",
  backends: NODE_BACKENDS,
  cost: "cheap",
  probe: async (subject) => {
    if (!here(subject)) return undefined;
    const [watches, instances] = await Promise.all([
      numberIn("/proc/sys/fs/inotify/max_user_watches"),
      numberIn("/proc/sys/fs/inotify/max_user_instances"),
    ]);
    return watches === undefined || instances === undefined ? undefined : { watches, instances };
  },
  judge: ({ watches, instances }) => {
    const [found, needed] = [`${watches} watches, ${instances} instances`, "524288 watches, 512 instances"];
    return watches < 524288 || instances < 512
      ? warn(found, needed, "sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512")
      : ok(found, needed);
  },
};

export const openFiles: CheckSpec<{ soft: number; hard: number }> = {
  name: "open files",
  cost: "cheap",
  probe: async () => {
    const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec(await readFile("/proc/self/limits", "utf8").catch(() => ""));
    return line ? { soft: limit(line[1]!), hard: limit(line[2]!) } : undefined;
  },
  judge: ({ soft, hard }) => {
    const found = `${amount(soft)}, at most ${amount(hard)}`;
    return soft < 4096
      ? warn(found, "4096", hard < 4096 ? "raise nofile in /etc/security/limits.conf" : "ulimit -n 4096")
      : ok(found, "4096");
  },
};

/** The right to raise limits and to lower an OOM score; hosts that are containers themselves often lack it. */
export const resourceCapability: CheckSpec<{ has: boolean }> = {
  name: "CAP_SYS_RESOURCE",
  backends: NODE_BACKENDS,
  cost: "cheap",
  probe: async (subject) => {
    const bounding = here(subject)
      ? /^CapBnd:\s+([0-9a-f]+)/m.exec(await readFile("/proc/1/status", "utf8").catch(() => ""))?.[1]
      : undefined;
    return bounding === undefined ? undefined : { has: hasResource(bounding) };
  },
  judge: ({ has }) =>
    has
      ? ok("there", "there")
      : warn(
          "the host lacks it: containerd in a node must be told not to set OOM scores",
          "there",
          "none where the host is itself restricted; the stand-in nodes of offline/ cope",
        ),
};

/** Whether a set of capabilities, in hexadecimal, has number 24. */
export function hasResource(hexadecimal: string): boolean {
  return ((BigInt(`0x${hexadecimal}`) >> 24n) & 1n) === 1n;
}

async function availableMemory(): Promise<number> {
  const line = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile("/proc/meminfo", "utf8").catch(() => ""));
  return line ? Number(line[1]) * 1024 : freemem();
}

async function numberIn(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text === "" ? undefined : Number(text);
}

function amount(count: number): string {
  return count === Infinity ? "unlimited" : String(count);
}

function limit(text: string): number {
  return text === "unlimited" ? Infinity : Number(text);
}
