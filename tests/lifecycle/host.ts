import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(__dirname, "../..");

/** What a run may leave on a host; two of these, before and after, must be equal. */
export interface HostState {
  containers: string[];
  volumes: string[];
  networks: string[];
  /** Processes that work in this checkout or run Pulumi, but for this test's own. */
  processes: string[];
  /** Ports that are listened on, by any process. */
  listeners: string[];
  /** Digest of the user's kubeconfig. */
  kubeconfig: string;
  /** Stacks, locks and files with secrets below `.state/`. */
  state: string[];
  /** Digest of the stacks' configuration files. */
  stackFiles: string;
}

/** Looks with the host's own means, and by no code that the runner uses to clean. */
export function lookAtHost(): HostState {
  return {
    containers: docker("ps", "--all", "--format", "{{.Names}}"),
    volumes: docker("volume", "ls", "--format", "{{.Name}}"),
    networks: docker("network", "ls", "--format", "{{.Name}}"),
    processes: processes(),
    listeners: [...listeners("/proc/net/tcp"), ...listeners("/proc/net/tcp6")].sort(),
    kubeconfig: digestOf(process.env["KUBECONFIG"] ?? join(homedir(), ".kube", "config")),
    state: [...filesBelow(join(ROOT, ".state", "pulumi", ".pulumi", "stacks")), ...filesBelow(join(ROOT, ".state", "pulumi", ".pulumi", "locks")), ...filesBelow(join(ROOT, ".state", "run"))]
      .filter((file) => !/\.(bak|attrs)$/.test(file)).sort(),
    stackFiles: digestOf(join(ROOT, "stacks", "Pulumi.k3s.yaml")),
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

function docker(...argv: string[]): string[] {
  return execFileSync("docker", argv, { encoding: "utf8" }).split("\n").filter(Boolean).sort();
}

function processes(): string[] {
  const own = family();
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && !own.has(Number(pid))).flatMap((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      const ours = readlinkSync(`/proc/${pid}/cwd`).startsWith(ROOT) && /pulumi|jest|cli\/(start|main)|docker (save|exec|build)/.test(command);
      return ours ? [`${pid} ${command}`] : [];
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
  return new Map(readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).map((pid) => [Number(pid), parentOf(Number(pid))]));
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}

/** State 0A is LISTEN in the kernel's table. */
function listeners(table: string): string[] {
  if (!existsSync(table)) return [];
  return readFileSync(table, "utf8").split("\n").slice(1).map((line) => line.trim().split(/\s+/)).filter((fields) => fields[3] === "0A").map((fields) => fields[1]!);
}

function digestOf(file: string): string {
  return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex") : "absent";
}

function filesBelow(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)) : [];
}
