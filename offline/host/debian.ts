import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../infra/support/errors";
import { tryRun } from "../../infra/support/exec";

/** Where this host gets Debian's packages from. */
export interface DebianSource {
  uri: string;
  /** Path of the keyring that signs them, when the host names one. */
  signedBy: string | undefined;
  /** The host's own suite, e.g. `bookworm`. */
  codename: string;
}

/** Debian's architecture name for this machine. */
export const DEBIAN_ARCH = process.arch === "arm64" ? "arm64" : "amd64";

/**
 * The host's own source of Debian's main archive.
 * @param folder of apt's configuration
 * @throws UserError E_TOOL_BUILD on a host that has none
 */
export function debianSource(folder = "/etc/apt"): DebianSource {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1]?.replaceAll('"', "");
  const texts = sourceFiles(folder).map((file) => ({ file, text: readFileSync(file, "utf8") }));
  const sources = texts.flatMap(({ file, text }) =>
    file.endsWith(".sources") ? parseStanzas(text) : parseLines(text),
  );
  const main = sources.find(
    (source) =>
      codename !== undefined &&
      source.suites.includes(codename) &&
      source.components.includes("main") &&
      /debian\/?$/.test(source.uri),
  );
  if (!main || codename === undefined) {
    throw new UserError("E_TOOL_BUILD", {
      seen: `no source of Debian's main archive${codename ? ` for ${codename}` : ""} in ${folder}`,
      wanted: "a Debian host whose apt sources are set up",
      next: "use a host that reaches an image registry and get.pulumi.com, or run this on Debian",
    });
  }
  return { uri: main.uri, signedBy: main.signedBy, codename };
}

interface ParsedSource {
  uri: string;
  suites: string[];
  components: string[];
  signedBy: string | undefined;
}

function sourceFiles(folder: string): string[] {
  const parts = join(folder, "sources.list.d");
  const listed = existsSync(parts)
    ? readdirSync(parts)
        .filter((name) => /\.(list|sources)$/.test(name))
        .sort()
        .map((name) => join(parts, name))
    : [];
  return [join(folder, "sources.list"), ...listed].filter((file) => existsSync(file));
}

/** The form of one paragraph per source (deb822). */
function parseStanzas(text: string): ParsedSource[] {
  const stanzas = text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .split(/\n\s*\n/);
  return stanzas.flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "mi").exec(stanza)?.[1]?.trim();
    const words = (name: string) => field(name)?.split(/\s+/) ?? [];
    if (!words("Types").includes("deb") || field("Enabled") === "no") return [];
    return words("URIs").map((uri) => ({
      uri,
      suites: words("Suites"),
      components: words("Components"),
      signedBy: field("Signed-By"),
    }));
  });
}

/** The form of one line per source. */
function parseLines(text: string): ParsedSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line);
    if (!match) return [];
    return [
      {
        uri: match[2]!,
        suites: [match[3]!],
        components: match[4]!.trim().split(/\s+/),
        signedBy: /signed-by=(\S+)/.exec(match[1] ?? "")?.[1],
      },
    ];
  });
}

/**
 * Downloads packages of a suite and unpacks them into a folder, without touching the host's own packages.
 * @param work folder for apt's own files
 * @throws UserError E_TOOL_BUILD when the archive does not answer or lacks a package
 */
export async function unpackPackages(
  suite: string,
  packages: readonly string[],
  folder: string,
  work: string,
): Promise<void> {
  const apt = await privateApt(suite, work);
  await fetched(["apt-get", ...apt.options, "download", "-qq", ...packages], suite, apt.archives);
  mkdirSync(folder, { recursive: true });
  for (const archive of readdirSync(apt.archives).filter((name) => name.endsWith(".deb"))) {
    await fetched(["dpkg", "-x", join(apt.archives, archive), folder], suite);
  }
}

/**
 * Downloads packages and what they depend on, as far as a root file system lacks it.
 * @param status dpkg's status file of that file system
 * @returns the folder of the archives
 * @throws UserError E_TOOL_BUILD
 */
export async function downloadPackages(
  suite: string,
  packages: readonly string[],
  status: string,
  work: string,
): Promise<string> {
  const apt = await privateApt(suite, work, status);
  await fetched(
    ["apt-get", ...apt.options, "install", "-qq", "-y", "--download-only", "--no-install-recommends", ...packages],
    suite,
  );
  return apt.archives;
}

/** Options that give apt a configuration and a state of its own, with the host's source and another suite. */
async function privateApt(
  suite: string,
  work: string,
  status?: string,
): Promise<{ options: string[]; archives: string }> {
  const folder = join(work, `apt-${suite}`);
  const archives = join(folder, "cache/archives");
  for (const path of [join(folder, "state/lists/partial"), join(archives, "partial")])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(folder, "status"), status ? readFileSync(status) : "");
  const { uri, signedBy } = debianSource();
  const sources = join(folder, "debian.sources");
  writeFileSync(
    sources,
    `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\n${signedBy ? `Signed-By: ${signedBy}\n` : ""}`,
  );
  const options = Object.entries({
    "Dir::Etc::sourcelist": sources,
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State": join(folder, "state"),
    "Dir::State::status": join(folder, "status"),
    "Dir::Cache": join(folder, "cache"),
    "APT::Sandbox::User": "root",
    // A mirror may be behind; signatures are checked all the same.
    "Acquire::Check-Valid-Until": "false",
  }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  await fetched(["apt-get", ...options, "update", "-qq"], suite);
  return { options, archives };
}

async function fetched(argv: [string, ...string[]], suite: string, cwd?: string): Promise<void> {
  const result = await tryRun(argv, { timeout: 300_000, ...(cwd ? { cwd } : {}) });
  if (result.exitCode === 0) return;
  throw new UserError("E_TOOL_BUILD", {
    seen: `${argv[0]} failed for Debian ${suite} (exit code ${result.exitCode})`,
    wanted: "packages from the host's own Debian source",
    next: "apt-get update",
    detail: (result.stderr || result.stdout).split("\n").slice(-10).join("\n"),
  });
}
