import { PulumiCommand } from "@pulumi/pulumi/automation";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import semver from "semver";
import { claimCacheFolder } from "../../infra/support/cache-folder";
import { UserError } from "../../infra/support/errors";
import { tryRun } from "../../infra/support/exec";
import { writeWhole } from "../../infra/support/files";
import { cacheFolder } from "./cache";
import { explain } from "../explain";
import { hasHelm } from "./helm-cli";
import { officialKind } from "./kind-cli";
import { ROOT } from "../paths";
import type { Tell } from "../progress";

/** The tools of a run: what must be added to the environment so that everything is found. */
export interface Tools {
  env: Record<string, string>;
  /** One line for each thing that is not the official one. */
  notes: string[];
}

/** Set to the tools as JSON where somebody else has prepared them: in a container of cli/container. */
export const GIVEN_TOOLS_VARIABLE = "BAY_E2E_TOOLS";

export interface SetupOptions {
  /** Forget what is remembered and try the official things once more. */
  again?: boolean;
  /** Ends a build that is under way; what is whole stays in the cache. */
  signal?: AbortSignal;
  /** Node image of the kind cluster that this run makes; without it, kind and its image are not looked for. */
  kindImage?: string;
}

/**
 * What can fall back where the official thing cannot be had; kindCli and kindImage where a run makes a kind cluster,
 * helm where Pulumi's plugins fell back.
 */
const NEEDS = ["docker", "pulumi", "images", "kindCli", "kindImage", "helm"] as const;
type Need = (typeof NEEDS)[number];

const OLDEST_PULUMI = "3.200.0";
const PULUMI = "3.250.0";
const BASE_IMAGE = "docker.io/library/node:24-bookworm-slim";
const OFFLINE = join(ROOT, "offline", "main.ts");

/** Whether `prepareTools` has run here before, so that running it again costs next to nothing. */
export function toolsPrepared(): boolean {
  return existsSync(decisionFile());
}

/**
 * Finds or makes Docker, the Pulumi CLI with its plugins, the images to start from and, where it is asked for, kind:
 * what is there, then what the vendor offers, then the registry-only fallback. What had to fall back once is
 * remembered, so that a host without the vendor's site does not ask for it at every run.
 */
export async function prepareTools(
  tell: Tell,
  { again = false, signal, kindImage }: SetupOptions = {},
): Promise<Tools> {
  const given = process.env[GIVEN_TOOLS_VARIABLE];
  if (given) return JSON.parse(given) as Tools;
  const remembered = new Set(again ? [] : readDecision());
  const path: string[] = [];
  // A daemon may be gone since: it is asked for at every run.
  const docker = await hasDocker();
  if (!docker) {
    requireOwnDocker();
    remembered.add("docker");
  }
  const official: Partial<Record<Need, () => Promise<boolean>>> = {
    pulumi: () => officialPulumi(tell, path),
    images: () => officialImage(tell, BASE_IMAGE),
    ...(kindImage === undefined
      ? {}
      : { kindCli: () => officialKindCli(tell, path), kindImage: () => officialImage(tell, kindImage) }),
  };
  const needsDaemon: readonly Need[] = ["images", "kindImage"];
  for (const [need, ask] of Object.entries(official) as [Need, () => Promise<boolean>][]) {
    const cannotAsk = !docker && needsDaemon.includes(need);
    if (!remembered.has(need) && (cannotAsk || !(await ask()))) remembered.add(need);
  }
  // A user may have installed one since, and to look costs nothing.
  remembered.delete("helm");
  if (remembered.has("pulumi") && !(await hasHelm(tell))) remembered.add("helm");
  const fallBack = NEEDS.filter(
    (need) => remembered.has(need) && (need === "docker" || need === "helm" || official[need] !== undefined),
  );
  const tools = fallBack.length > 0 ? await offline(fallBack, tell, signal) : { path: "", env: {}, notes: [] };
  writeDecision(NEEDS.filter((need) => remembered.has(need)));
  const before = [tools.path, ...path].filter(Boolean);
  return {
    env: { ...tools.env, ...(before.length > 0 ? { PATH: [...before, process.env["PATH"] ?? ""].join(":") } : {}) },
    notes: tools.notes,
  };
}

async function hasDocker(): Promise<boolean> {
  return succeeds(["docker", "info", "--format", "{{.ServerVersion}}"]);
}

/** A daemon that the user names elsewhere is the user's to start. */
function requireOwnDocker(): void {
  const host = process.env["DOCKER_HOST"];
  if (host)
    throw new UserError("E_DOCKER_MISSING", {
      seen: `no daemon answers at DOCKER_HOST=${host}`,
      wanted: "a Docker daemon that answers",
      next: "docker info   (or: unset DOCKER_HOST)",
    });
}

/** The CLI on PATH, or one that was installed before, or the vendor's; false when none can be had. */
async function officialPulumi(tell: Tell, path: string[]): Promise<boolean> {
  const found = await tryRun(["pulumi", "version"]).catch(() => undefined);
  const version = semver.coerce(found?.stdout);
  if (version && semver.gte(version, OLDEST_PULUMI)) return officialPlugins(tell, "pulumi");
  const root = join(cacheFolder(), "official", `pulumi-${PULUMI}`);
  try {
    if (!existsSync(join(root, "bin", "pulumi"))) tell(`asking the vendor for the Pulumi CLI ${PULUMI}`);
    await PulumiCommand.install({ root, version: semver.parse(PULUMI)! });
  } catch {
    return false;
  }
  path.push(join(root, "bin"));
  return officialPlugins(tell, join(root, "bin", "pulumi"));
}

/** Plugins of the versions that the packages in node_modules ask for. */
async function officialPlugins(tell: Tell, pulumi: string): Promise<boolean> {
  const results = [];
  for (const name of ["kubernetes", "docker"]) {
    const { version } = JSON.parse(
      readFileSync(join(ROOT, "node_modules", "@pulumi", name, "package.json"), "utf8"),
    ) as { version: string };
    tell(`Pulumi plugin ${name} ${version}`);
    results.push(await succeeds([pulumi, "plugin", "install", "resource", name, version]));
  }
  return results.every(Boolean);
}

async function officialKindCli(tell: Tell, path: string[]): Promise<boolean> {
  const folder = await officialKind(tell);
  if (folder) path.push(folder);
  return folder !== undefined;
}

/** An image that is here or can be pulled; of the base images, one tells for the others. */
async function officialImage(tell: Tell, image: string): Promise<boolean> {
  if (await succeeds(["docker", "image", "inspect", image])) return true;
  tell(`pulling ${image}`);
  return succeeds(["docker", "pull", "--quiet", image], 600_000);
}

async function succeeds(argv: [string, ...string[]], timeout = 120_000): Promise<boolean> {
  return tryRun(argv, { timeout }).then(
    (result) => result.exitCode === 0,
    () => false,
  );
}

/** Asks the fallback, which is a program of its own, so that nothing here depends on it. */
async function offline(needs: Need[], tell: Tell, signal: AbortSignal | undefined): Promise<Tools & { path: string }> {
  if (!existsSync(OFFLINE)) {
    throw new UserError("E_TOOL_MISSING", {
      seen: `${needs.join(", ")} cannot be had from the vendor, and there is no folder offline/`,
      wanted: "Docker, the Pulumi CLI, and a reachable image registry",
      next: "install Docker and Pulumi (https://www.pulumi.com/docs/install), or check the proxy",
    });
  }
  const loader = pathToFileURL(require.resolve("tsx")).href;
  const { exitCode, stdout, stderr } = await tryRun(
    [process.execPath, "--import", loader, OFFLINE, "ensure", "--need", needs.join(","), "--json"],
    { timeout: 80 * 60_000, onLine: tell, ...(signal ? { signal } : {}) },
  );
  if (exitCode !== 0) throw explain(stderr, { stack: "" });
  const { env, notes } = JSON.parse(stdout) as Tools;
  const { PATH_PREPEND = "", ...rest } = env;
  return { path: PATH_PREPEND, env: rest, notes };
}

function decisionFile(): string {
  return join(cacheFolder(), "fallback.json");
}

function readDecision(): Need[] {
  if (!existsSync(decisionFile())) return [];
  const known = JSON.parse(readFileSync(decisionFile(), "utf8")) as string[];
  return NEEDS.filter((need) => known.includes(need));
}

function writeDecision(needs: Need[]): void {
  claimCacheFolder(cacheFolder());
  // Whole: of ten runs that start at once one reads while another writes.
  writeWhole(decisionFile(), JSON.stringify(needs));
}
