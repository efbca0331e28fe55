import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../../infra/support/files";

const OFFLINE = join(__dirname, "..");

/** A program that is one file of JavaScript: where its source begins and what it is called. */
export interface Bundle {
  /** Entry point below `offline/`. */
  source: string;
  /** File name of the program. */
  name: string;
}

/** What the CLI looks for beside itself. */
export const HOSTS: readonly Bundle[] = [
  { source: "language-host/main.ts", name: "pulumi-language-nodejs" },
  { source: "language-host/dynamic.ts", name: "pulumi-resource-pulumi-nodejs" },
];

export const PLUGINS: Readonly<Record<"kubernetes" | "docker", Bundle>> = {
  kubernetes: { source: "plugins/kubernetes/main.ts", name: "pulumi-resource-kubernetes" },
  docker: { source: "plugins/docker/main.ts", name: "pulumi-resource-docker" },
};

/** Bundles a program into `folder`; gives the source files that it was made from. */
export async function makeBundle(bundle: Bundle, folder: string): Promise<string[]> {
  // Loaded here, because a run that finds everything made has no use for it.
  const { build } = await import("esbuild");
  const result = await build({
    entryPoints: [join(OFFLINE, bundle.source)],
    outfile: join(folder, bundle.name),
    absWorkingDir: join(OFFLINE, ".."),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    metafile: true,
    logLevel: "silent",
    banner: { js: "#!/usr/bin/env node" },
    legalComments: "none",
    // Compilers that the SDK loads only for programs that are not yet JavaScript; and add-ons that are not there.
    external: ["typescript", "ts-node", "cpu-features", "*.node"],
  });
  return Object.keys(result.metafile.inputs).map((file) => join(OFFLINE, "..", file));
}

/** What a checkout has installed. */
export interface InstallRecord {
  checkout: string;
  /** Files that it was made from, and what they looked like. */
  sources: string[];
  stamp: string;
  /** Name of the installation. */
  content: string;
}

export function writeRecord(file: string, record: InstallRecord): void {
  writeWhole(file, JSON.stringify(record));
}

/** Undefined when nothing was installed. */
export function readRecord(file: string): InstallRecord | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as InstallRecord) : undefined;
}
