import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../infra/support/errors";
import { tail, tryRun } from "../../infra/support/exec";
import { debianSource, unpackPackages } from "../host/debian";
import { findProgram, requireRoot } from "../host/preconditions";

export interface Rootfs {
  suite: string;
  /** Packages beside those that every Debian needs. */
  include: readonly string[];
  /** Paths (with `*` for anything within one part) that are removed at the end. */
  remove?: readonly string[];
}

/** What no container needs: documentation, translations, package lists, logs, caches. */
const TRIM = [
  "usr/share/doc/*",
  "usr/share/man/*",
  "usr/share/info/*",
  "usr/share/locale/*",
  "usr/share/lintian/*",
  "usr/share/bug/*",
  "var/cache/apt/*",
  "var/cache/debconf/*-old",
  "var/lib/apt/lists/*",
  "var/lib/dpkg/*-old",
  "var/log/*",
];

/** Made anew by apt, or telling of this host; an image must not carry them. */
const HOST_TRACES = ["etc/apt/sources.list", "etc/resolv.conf", "etc/hostname"];

/**
 * Makes the root file system of a Debian suite with debootstrap.
 * @throws UserError E_ROOT_NEEDED, E_TOOL_BUILD with the end of debootstrap's log
 */
export async function makeRootfs(folder: string, recipe: Rootfs, work: string): Promise<void> {
  requireRoot("debootstrap makes device files and changes owners");
  const { uri, signedBy } = debianSource();
  const { program, env } = await debootstrap(work);
  const argv: [string, ...string[]] = [
    program,
    "--variant=minbase",
    `--include=${recipe.include.join(",")}`,
    ...(signedBy?.startsWith("/") ? [`--keyring=${signedBy}`] : []),
    recipe.suite,
    folder,
    uri,
  ];
  // Debian's scripts ask for the usual administrator's PATH.
  const result = await tryRun(argv, {
    timeout: 15 * 60_000,
    env: { ...env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` },
  });
  if (result.exitCode !== 0) {
    throw new UserError("E_TOOL_BUILD", {
      seen: `debootstrap of Debian ${recipe.suite} ended with exit code ${result.exitCode}`,
      wanted: "packages from the host's own Debian source",
      next: "apt-get update",
      detail: tail(result.stderr || result.stdout),
    });
  }
  trimRootfs(folder, recipe.remove ?? []);
}

/** Removes what no container needs, and what tells of this host. */
export function trimRootfs(folder: string, more: readonly string[]): void {
  for (const pattern of [...TRIM, ...more]) removeMatching(folder, pattern);
  for (const file of HOST_TRACES) removeWhole(join(folder, file));
}

/** Removes a file, a link or a folder. In Node 24.0 to 24.9 rmSync leaves a link that points nowhere. */
function removeWhole(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) unlinkSync(path);
  else rmSync(path, { recursive: true, force: true });
}

async function debootstrap(work: string): Promise<{ program: string; env: NodeJS.ProcessEnv }> {
  const found = findProgram("debootstrap") ?? findProgram("debootstrap", "/usr/sbin");
  if (found) return { program: found, env: {} };
  const folder = join(work, "debootstrap");
  mkdirSync(folder, { recursive: true });
  await unpackPackages("sid", ["debootstrap"], folder, work);
  return {
    program: join(folder, "usr/sbin/debootstrap"),
    env: { DEBOOTSTRAP_DIR: join(folder, "usr/share/debootstrap") },
  };
}

/** Removes the paths that a pattern names; `*` stands for anything within one part. */
function removeMatching(root: string, pattern: string): void {
  const [first, ...rest] = pattern.split("/");
  const shape = new RegExp(`^${first!.replaceAll(/[.+]/g, "\\$&").replaceAll("*", ".*")}$`);
  for (const name of existsSync(root) ? readdirSync(root).filter((entry) => shape.test(entry)) : []) {
    const path = join(root, name);
    if (rest.length === 0) removeWhole(path);
    else if (lstatSync(path).isDirectory()) removeMatching(path, rest.join("/"));
  }
}
