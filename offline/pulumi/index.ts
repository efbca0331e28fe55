import { chmodSync, existsSync, linkSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../infra/support/exec";
import { cached, cacheRoot, type Entry, entryPath, recipeHash, stampOf, withLock } from "../cache";
import { goBuild } from "../host/go";
import { requireDisk, requireLinux } from "../host/preconditions";
import type { Step } from "../steps";
import { VERSIONS } from "../versions";
import { type Bundle, HOSTS, makeBundle, PLUGINS, rememberedSources, rememberSources } from "./bundles";

const MODULE = join(__dirname, "..", "go", "pulumi");

/** The folders that a shell or the runner needs to find the CLI. */
export interface PulumiPaths {
  /** Folder of the CLI and its language host, for PATH. */
  bin: string;
  /** PULUMI_HOME: the plugins, and what the CLI remembers. */
  home: string;
}

export function pulumiPaths(): PulumiPaths {
  return { bin: join(cacheRoot(), "pulumi", "bin"), home: join(cacheRoot(), "pulumi", "home") };
}

/** One line for each part that is not the official one. */
export function pulumiNotes(): string[] {
  return [
    `Pulumi CLI ${VERSIONS.pulumi} built from its Go module (official download not reachable)`,
    "Pulumi's Node.js language host: a substitute on the SDK's own protocol",
    ...Object.entries(VERSIONS.plugins).map(([name, version]) => `Pulumi plugin ${name} ${version}: a substitute (official download not reachable)`),
  ];
}

/** The steps to a whole CLI; none when everything is there and no source has changed. */
export async function pulumiSteps(): Promise<Step[]> {
  const steps: Step[] = [];
  if (!existsSync(entryPath(cliEntry()))) {
    requireLinux();
    requireDisk(8);
    steps.push({ name: "pulumiCli", title: `Pulumi CLI ${VERSIONS.pulumi} from its Go module (about 4 min on 2 cores)`, work: async () => { await makeCli(); } });
  }
  if (!installed()) steps.push({ name: "pulumiPlugins", title: "Pulumi's language host and plugins", work: install });
  return Promise.resolve(steps);
}

function cliEntry(): Entry {
  return { name: "pulumi-cli", version: VERSIONS.pulumi, hash: recipeHash([MODULE], [process.arch]) };
}

function makeCli(): Promise<string> {
  return cached(cliEntry(), (folder) => goBuild({
    module: MODULE, package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", output: join(folder, "pulumi"),
    variables: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": `v${VERSIONS.pulumi}` }, static: false,
  }));
}

// --- install ---------------------------------------------------------------------------------------------

function recordFile(): string {
  return join(cacheRoot(), "pulumi", "installed.json");
}

/** Whether what is installed was made from the sources as they are. */
function installed(): boolean {
  const known = rememberedSources(recordFile());
  return known !== undefined && known.stamp === fullStamp(known.sources);
}

function fullStamp(sources: readonly string[]): string {
  return recipeHash([], [stampOf(sources), entryPath(cliEntry()), JSON.stringify(VERSIONS.plugins)]);
}

/** Puts the language host beside the CLI, and the plugins into PULUMI_HOME. Other processes may be using them. */
async function install(): Promise<void> {
  await withLock("pulumi-install", async () => {
    if (installed()) return;
    const { bin, home } = pulumiPaths();
    const staging = join(cacheRoot(), "pulumi", "staging");
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(bin, { recursive: true });
    const cli = join(bin, "pulumi");
    rmSync(`${cli}.new`, { force: true });
    linkSync(join(await makeCli(), "pulumi"), `${cli}.new`);
    renameSync(`${cli}.new`, cli);
    const sources: string[] = [];
    for (const host of HOSTS) {
      sources.push(...await bundleInto(host, join(staging, "hosts")));
      renameSync(join(staging, "hosts", host.name), join(bin, host.name));
    }
    for (const [name, bundle] of Object.entries(PLUGINS)) {
      const folder = join(staging, name);
      sources.push(...await bundleInto(bundle, folder));
      const version = VERSIONS.plugins[name as keyof typeof PLUGINS];
      await run([cli, "plugin", "install", "resource", name, version, "--file", folder, "--reinstall"], {
        env: { PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true", PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "true" },
      });
    }
    rmSync(staging, { recursive: true, force: true });
    rememberSources(recordFile(), sources, fullStamp(sources));
  });
}

async function bundleInto(bundle: Bundle, folder: string): Promise<string[]> {
  const sources = await makeBundle(bundle, folder);
  chmodSync(join(folder, bundle.name), 0o755);
  return sources;
}
