import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { clusterName, ownerOf } from "../../infra/naming";

export const ROOT = resolve(__dirname, "../..");

/** What a run may leave on a host; two of these, before and after, must be equal. */
export interface HostState {
  containers: string[];
  volumes: string[];
  networks: string[];
  /** Processes that work in this checkout, but for this test's own. */
  processes: string[];
  /** Ports on which these processes listen; of the whole host, on which any process does. */
  listeners: string[];
  /** Digest of the user's kubeconfig. */
  kubeconfig: string;
  /** Stacks, locks, kubeconfigs, marks of runs and files with secrets below `.state/`. */
  state: string[];
  /** Digests of the stacks' configuration files. */
  stackFiles: string[];
}

/**
 * Looks with the host's own means, and by no code that the runner uses to clean.
 *
 * @param options.whole everything on the host, and not only what could be this checkout's (default: false). Only the
 *   whole host shows what a run made without name and label, an anonymous volume for example; only where nobody else
 *   works can it be compared (`.ci/lanes.ts`).
 */
export function lookAtHost({ whole = false } = {}): HostState {
  const ours = processes();
  return {
    containers: docker(whole, ["ps", "--all", "--format", "{{.Names}}"], "label=io.x-k8s.kind.cluster"),
    volumes: docker(whole, ["volume", "ls", "--format", "{{.Name}}"]),
    networks: docker(whole, ["network", "ls", "--format", "{{.Name}}"]),
    processes: ours.map(({ pid, command }) => `${pid} ${command}`),
    listeners: listeners(whole ? undefined : new Set(ours.flatMap(({ pid }) => socketsOf(pid)))),
    kubeconfig: digestOf(process.env["KUBECONFIG"] ?? join(homedir(), ".kube", "config")),
    state: [".state/pulumi/.pulumi/stacks", ".state/pulumi/.pulumi/locks", ".state/run", ".state/kubeconfig"]
      .flatMap((folder) => filesBelow(join(ROOT, folder)))
      .filter((file) => !/\.(bak|attrs)$/.test(file))
      .sort(),
    stackFiles: filesBelow(join(ROOT, "stacks"))
      .map((file) => `${file} ${digestOf(file)}`)
      .sort(),
  };
}

/** A process and all that descend from it, whatever session they are in: the runner, Pulumi, its plugins, Jest. */
export function descendantsOf(root: number): number[] {
  const parents = parentsOf();
  const found = new Set([root]);
  for (let size = 0; size !== found.size;) {
    size = found.size;
    for (const [pid, parent] of parents) if (parent !== undefined && found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** Whether a name has the end that this checkout's stacks get: six digits of its own for each stack. */
function isOurs(name: string): boolean {
  const stack = /^bay-e2e-(.+)-[0-9a-f]{6}(?=-|$)/.exec(name)?.[1];
  return stack !== undefined && name.startsWith(clusterName(ownerOf(ROOT, stack)));
}

/** Names that `docker` lists: all of the host, or those with a name or a label of this checkout. */
function docker(whole: boolean, argv: string[], ...filters: string[]): string[] {
  const list = (...filter: string[]) =>
    execFileSync("docker", [...argv, ...filter], { encoding: "utf8" })
      .split("\n")
      .filter(Boolean);
  if (whole) return list().sort();
  const labelled = list("--filter", `label=bay-e2e.dev/checkout=${ROOT}`);
  const named = [...list(), ...filters.flatMap((filter) => list("--filter", filter))].filter(isOurs);
  return [...new Set([...labelled, ...named])].sort();
}

function processes(): { pid: number; command: string }[] {
  const own = family();
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && !own.has(Number(pid)))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const ours =
          `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${ROOT}/`) &&
          /pulumi|jest|kind|kubectl|cli\/start|dist\/cli\.js|docker (save|exec|build)/.test(command);
        return ours ? [{ pid: Number(pid), command }] : [];
      } catch {
        return [];
      }
    });
}

/** This test, its parents, and its parent's other children, which are Jest's workers. */
function family(): Set<number> {
  const parents = parentsOf();
  const line: number[] = [];
  for (let pid = process.pid; pid > 1; pid = parents.get(pid) ?? 0) line.push(pid);
  return new Set([...line, ...[...parents].filter(([, parent]) => parent === process.ppid).map(([pid]) => pid)]);
}

function parentsOf(): Map<number, number | undefined> {
  return new Map(
    readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid))
      .map((pid) => [Number(pid), parentOf(Number(pid))]),
  );
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}

/** Inodes of a process's sockets. */
function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap(
      (fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [],
    );
  } catch {
    return [];
  }
}

/**
 * Addresses that are listened on, by any process or through these sockets. State 0A is LISTEN in the kernel's table.
 */
function listeners(sockets: ReadonlySet<string> | undefined): string[] {
  return ["/proc/net/tcp", "/proc/net/tcp6"]
    .filter((table) => existsSync(table))
    .flatMap((table) =>
      readFileSync(table, "utf8")
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter((fields) => fields[3] === "0A" && (sockets === undefined || sockets.has(fields[9]!)))
        .map((fields) => fields[1]!),
    )
    .sort();
}

function digestOf(file: string): string {
  return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex") : "absent";
}

function filesBelow(folder: string): string[] {
  return existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
    : [];
}
