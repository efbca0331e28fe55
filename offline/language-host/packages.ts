/** Installed npm packages, read from the `node_modules` folders that a program sees. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The parts of a package.json that matter here. */
export interface Manifest {
  name: string;
  version: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  pulumi?: {
    resource?: boolean;
    name?: string;
    version?: string;
    server?: string;
    parameterization?: { name: string; version: string; value: string };
  };
}

/** A resource plugin that an installed SDK asks for. */
export interface RequiredPlugin {
  name: string;
  /** With a leading `v`. */
  version: string;
  /** Where to download it; empty for the default place. */
  server: string;
  parameterization: { name: string; version: string; value: string } | undefined;
}

/** The plugins of all SDKs that a program in `directory` could load, sorted by name. */
export function requiredPlugins(directory: string): RequiredPlugin[] {
  return installedPackages(directory)
    .filter(({ pulumi }) => pulumi?.resource)
    .map(({ name, version, pulumi }) => ({
      name: pulumi?.name ?? name.replace(/^@pulumi\//, "").replace(/^@/, ""),
      version: `v${(pulumi?.version ?? version).replace(/^v/, "")}`,
      server: pulumi?.server ?? "",
      parameterization: pulumi?.parameterization,
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * All packages in the `node_modules` of `directory` and its ancestors; of one name the nearest counts, as for
 * `require`.
 */
export function installedPackages(directory: string): Manifest[] {
  const found = new Map<string, Manifest>();
  for (const folder of ancestors(directory)) {
    for (const path of packageFolders(join(folder, "node_modules"))) {
      const manifest = readManifest(path);
      if (manifest?.name && !found.has(manifest.name)) found.set(manifest.name, manifest);
    }
  }
  return [...found.values()];
}

/** The package.json in `folder`; undefined when there is none that can be read. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  } catch {
    return undefined; // A folder without a (valid) manifest is not a package.
  }
}

/** The nearest folder, from `directory` upwards, that holds a package.json. */
export function packageRoot(directory: string): string | undefined {
  return ancestors(directory).find((folder) => readManifest(folder) !== undefined);
}

function ancestors(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [directory, ...ancestors(parent)];
}

function packageFolders(modules: string): string[] {
  return folders(modules)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) =>
      name.startsWith("@")
        ? folders(join(modules, name)).map((inner) => join(modules, name, inner))
        : [join(modules, name)],
    );
}

function folders(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // Most ancestors have no node_modules.
  }
}
