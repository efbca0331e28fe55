import { randomUUID } from "node:crypto";
import type { Owner } from "../../infra/naming";
import { tryRun } from "../../infra/support/exec";
import { thingsOf } from "../clean-up/docker-things";
import type { EvidenceFolder } from "./files";
import { ROOT } from "../paths";

/** Bytes of each log in a node that are kept. */
const LOG_BYTES = 500_000;

/** Versions of what takes part, and the host's state; each command's words are the file's name. */
const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ["pulumi", "version"],
  ["pulumi", "plugin", "ls"],
  ["docker", "version"],
  ["docker", "info"],
  ["docker", "ps", "--all"],
  ["kind", "version"],
  ["kubectl", "version", "--client"],
  ["node", "--version"],
  ["npm", "--version"],
  ["uname", "-a"],
  ["cat", "/etc/os-release"],
  ["df", "-h"],
  ["free", "-m"],
  ["uptime"],
  ["git", "rev-parse", "HEAD"],
  ["git", "status", "--short"],
];

/** Versions, disk, memory. A program that is not there is said in its file: that is a fact too. */
export async function gatherHost(into: EvidenceFolder, signal: AbortSignal): Promise<void> {
  await Promise.all(
    COMMANDS.map(async (argv) => {
      const { stdout, stderr } = await tryRun(argv, { cwd: ROOT, timeout: 10_000, signal }).catch((error: unknown) => ({
        stdout: "",
        stderr: error instanceof Error ? error.message : String(error),
      }));
      into.write(
        `host/${argv.join(" ").replaceAll(/[^\w.]+/g, "-")}.txt`,
        `${stdout}${stderr === "" ? "" : `\n${stderr}`}\n`,
      );
    }),
  );
}

/**
 * What Docker knows of the stack's node containers, and the logs in them: of kubelet, containerd and pods, also
 * where no API server answers.
 */
export async function gatherNodes(owner: Owner, into: EvidenceFolder, signal: AbortSignal): Promise<void> {
  await into.part("docker", async () => {
    const { exitCode, stderr } = await tryRun(["docker", "version", "--format", "{{.Server.Version}}"], {
      timeout: 10_000,
      signal,
    });
    if (exitCode !== 0) throw new Error(stderr.split("\n").at(-1));
    const nodes = (await thingsOf(owner)).filter(({ kind }) => kind === "container");
    if (nodes.length === 0) throw new Error("the stack has no container");
    await Promise.all(nodes.map(({ name }) => gatherNode(name, into, signal)));
  });
}

async function gatherNode(name: string, into: EvidenceFolder, signal: AbortSignal): Promise<void> {
  const ask = (argv: [string, ...string[]]) => tryRun(argv, { timeout: 30_000, signal });
  const keep = (file: string, argv: [string, ...string[]]) =>
    into.part(`${file} of node ${name}`, async () => {
      const { stdout, stderr } = await ask(argv);
      into.write(`nodes/${name}/${file}`, `${stdout}\n${stderr}`);
    });
  await Promise.all([
    keep("docker.log", ["docker", "logs", "--timestamps", "--tail", "5000", name]),
    keep("inspect.json", ["docker", "inspect", name]),
    into.part(`logs in node ${name}`, async () => {
      const mark = `===== ${randomUUID()}`;
      const { stdout, stderr, exitCode } = await ask(["docker", "exec", name, "sh", "-c", logTails(mark)]);
      // Of a node that ended there is no inside; its own last words are in docker.log.
      if (exitCode !== 0 && stdout === "") throw new Error(stderr.split("\n").at(-1));
      for (const [file, text] of logSections(stdout, mark))
        into.write(`nodes/${name}/logs/${file.replace(/^\/+/, "").replace(/^var\/log\//, "")}`, text);
    }),
  ]);
}

/**
 * Folders of a node in which only the node's own programs write logs. Containers' own files are elsewhere below k3s'
 * folder, in `snapshots`: whatever a container names `x.log` there is not to be read by root.
 */
const LOG_FOLDERS = ["/var/log", "/var/lib/rancher/k3s/agent/logs"];
const LOG_FILES = ["/var/lib/rancher/k3s/agent/containerd/containerd.log"];

/**
 * A command for `sh` that prints the ends of a node's logs, each after a line with the mark and the file's name. A node
 * of systemd has a journal; the others write files. Links are not followed, and names stay one word whatever is in
 * them.
 * @param mark a line that begins with it begins a file, so it must be one that no log can know
 */
export function logTails(
  mark: string,
  { folders = LOG_FOLDERS, files = LOG_FILES }: { folders?: readonly string[]; files?: readonly string[] } = {},
): string {
  return [
    `if command -v journalctl > /dev/null; then for unit in kubelet containerd; do echo "${mark} journal/$unit.log"; journalctl --no-pager --unit "$unit" --lines 5000; done; fi`,
    `find ${[...folders, ...files].join(" ")} -type f -name '*.log' -exec sh -c 'for file; do echo "${mark} $(printf %s "$file" | tr "\\n" _)"; tail -c ${LOG_BYTES} -- "$file"; echo; done' sh {} + 2> /dev/null`,
  ].join("; ");
}

/** What `logTails` printed, by file. */
export function logSections(text: string, mark: string): [file: string, text: string][] {
  return text
    .split(new RegExp(`^${mark} `, "m"))
    .slice(1)
    .map((section) => {
      const end = section.indexOf("\n");
      return [section.slice(0, end), section.slice(end + 1)];
    });
}
