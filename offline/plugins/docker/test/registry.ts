/**
 * A real registry (Debian's `docker-registry`) with a login, on a port of 127.0.0.1: the daemon speaks plain HTTP to
 * that.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type Scope } from "./support";

export const USER = "tester";
export const PASSWORD = "pass-word-1";
/** bcrypt of `PASSWORD`. */
const HTPASSWD = `${USER}:$2b$04$cs.uiUwy1Vp.ueQqjYMj4OW5RKB8pcMUfCn/w0GdLIaf6YUwfyFSC\n`;

function has(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((folder) => {
    try {
      return readdirSync(folder).includes(program);
    } catch {
      return false;
    }
  });
}

/** Whether the registry is installed or can be had as a package. */
export const registryAvailable = has("docker-registry") || (has("apt-get") && has("dpkg"));

/** Starts the registry and gives its address once it answers. */
export async function startRegistry(scope: Scope): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "registry-"));
  scope.defer(() => {
    rmSync(folder, { recursive: true });
  });
  const address = `127.0.0.1:${await freePort()}`;
  writeFileSync(join(folder, "htpasswd"), HTPASSWD);
  writeFileSync(
    join(folder, "config.yml"),
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/data}}\nhttp: {addr: ${address}}\nauth: {htpasswd: {realm: test, path: ${folder}/htpasswd}}\n`,
  );
  const registry = spawn(binary(folder), ["serve", join(folder, "config.yml")], { stdio: "ignore" });
  const ended = once(registry, "exit");
  scope.defer(async () => {
    registry.kill("SIGKILL");
    await ended;
  });
  for (;;) {
    if (registry.exitCode !== null) throw new Error(`the registry ended with exit code ${registry.exitCode}`);
    const answer = await fetch(`http://${address}/v2/`).catch(() => undefined);
    if (answer?.status === 401) return address;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function binary(folder: string): string {
  if (has("docker-registry")) return "docker-registry";
  execFileSync("apt-get", ["download", "docker-registry"], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
  execFileSync("dpkg", ["--extract", join(folder, archive ?? ""), join(folder, "root")]);
  return join(folder, "root/usr/bin/docker-registry");
}
