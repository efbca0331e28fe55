import { chmodSync, existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../../infra/support/exec";
import { cached, cacheRoot, type Entry, entryPath, recipeHash, stampOf, withLock } from "../cache";
import { goBuild } from "../host/go";
import { requireDisk, requireLinux } from "../host/preconditions";
import type { Step } from "../steps";
import { VERSIONS } from "../versions";
import { type Bundle, HOSTS, makeBundle, PLUGINS, readRecord, writeRecord } from "./bundles";

const MODULE = join(__dirname, "..", "go", "pulumi");
const ROOT = join(__dirname, "..", "..");

/** The folders that a shell or the runner needs to find the CLI. */
export interface PulumiPaths {
  /** Folder of the CLI and its language host, for PATH. */
  bin: string;
  /** PULUMI_HOME: the plugins, and what the CLI remembers. */
  home: string;
}

/** Of what this checkout has installed. @throws Error before `pulumiSteps` were done */
export function pulumiPaths(): PulumiPaths {
  const record = readRecord(recordFile());
  if (!record) throw new Error("the Pulumi CLI of this checkout is not installed");
  return pathsOf(record.content);
}

/** One line for each part that is not the official one. */
export function pulumiNotes(): string[] {
  return [
    `Pulumi CLI ${VERSIONS.pulumi} built from its Go module (official download not reachable)`,
    "Pulumi's Node.js language host: a substitute on the SDK's own protocol",
    ...Object.entries(VERSIONS.plugins).map(
      ([name, version]) => `Pulumi plugin ${name} ${version}: a substitute (official download not reachable)`,
    ),
  ];
}

/** The steps to a whole CLI; none when everything is there and no source has changed. */
export async function pulumiSteps(): Promise<Step[]> {
  const steps: Step[] = [];
  if (!existsSync(entryPath(cliEntry()))) {
    requireLinux();
    requireDisk(8);
    steps.push({
      name: "pulumiCli",
      title: `Pulumi CLI ${VERSIONS.pulumi} from its Go module (about 4 min on 2 cores)`,
      work: async () => {
        await makeCli();
      },
    });
  }
  if (!installed()) steps.push({ name: "pulumiPlugins", title: "Pulumi's language host and plugins", work: install });
  return Promise.resolve(steps);
}

function cliEntry(): Entry {
  return { name: "pulumi-cli", version: VERSIONS.pulumi, hash: recipeHash([MODULE], [process.arch]) };
}

function makeCli(): Promise<string> {
  return cached(cliEntry(), (folder) =>
    goBuild({
      module: MODULE,
      package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
      output: join(folder, "pulumi"),
      variables: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": `v${VERSIONS.pulumi}` },
      static: false,
    }),
  );
}

// --- install ---------------------------------------------------------------------------------------------

/**
 * One installation for each content: checkouts of different versions use this host side by side, and those of one share
 * it.
 */
function pathsOf(content: string): PulumiPaths {
  const root = join(cacheRoot(), "pulumi", content);
  return { bin: join(root, "bin"), home: join(root, "home") };
}

/** What this checkout has installed. */
function recordFile(): string {
  return join(cacheRoot(), "pulumi", "checkouts", `${recipeHash([], [ROOT])}.json`);
}

/** Whether what is installed was made from this checkout's sources as they are. */
function installed(): boolean {
  const record = readRecord(recordFile());
  return record !== undefined && record.stamp === fullStamp(record.sources) && existsSync(pathsOf(record.content).home);
}

function fullStamp(sources: readonly string[]): string {
  return recipeHash([], [stampOf(sources), entryPath(cliEntry()), JSON.stringify(VERSIONS.plugins)]);
}

/** Puts the language host beside the CLI, and the plugins into PULUMI_HOME. */
async function install(): Promise<void> {
  await withLock("pulumi-install", async () => {
    if (installed()) return;
    const staging = join(cacheRoot(), "pulumi", "staging");
    rmSync(staging, { recursive: true, force: true });
    const bundles = [...HOSTS, ...Object.values(PLUGINS)];
    const sources = (
      await Promise.all(bundles.map((bundle) => bundleInto(bundle, join(staging, "made", bundle.name))))
    ).flat();
    const content = recipeHash([join(staging, "made")], [entryPath(cliEntry()), JSON.stringify(VERSIONS.plugins)]);
    const root = dirname(pathsOf(content).bin);
    if (!existsSync(root)) {
      await fill(join(staging, "whole"), join(staging, "made"));
      renameSync(join(staging, "whole"), root);
    }
    rmSync(staging, { recursive: true, force: true });
    writeRecord(recordFile(), { checkout: ROOT, sources, stamp: fullStamp(sources), content });
    forgetUnused();
  });
}

async function fill(root: string, made: string): Promise<void> {
  const [bin, home] = [join(root, "bin"), join(root, "home")];
  mkdirSync(bin, { recursive: true });
  const cli = join(bin, "pulumi");
  linkSync(join(await makeCli(), "pulumi"), cli);
  for (const { name } of HOSTS) renameSync(join(made, name, name), join(bin, name));
  for (const [name, bundle] of Object.entries(PLUGINS)) {
    const version = VERSIONS.plugins[name as keyof typeof PLUGINS];
    await run([cli, "plugin", "install", "resource", name, version, "--file", join(made, bundle.name)], {
      env: { PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true", PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK: "true" },
    });
  }
}

/** Removes the records of checkouts that are gone, and installations that no checkout uses any more. */
function forgetUnused(): void {
  const folder = dirname(dirname(recordFile()));
  const records = readdirSync(join(folder, "checkouts")).map((name) => join(folder, "checkouts", name));
  const used = new Set(["checkouts"]);
  for (const file of records) {
    const record = readRecord(file);
    if (record && existsSync(record.checkout)) used.add(record.content);
    else rmSync(file, { force: true });
  }
  for (const name of readdirSync(folder))
    if (!used.has(name)) rmSync(join(folder, name), { recursive: true, force: true });
}

async function bundleInto(bundle: Bundle, folder: string): Promise<string[]> {
  const sources = await makeBundle(bundle, folder);
  chmodSync(join(folder, bundle.name), 0o755);
  return sources;
}
