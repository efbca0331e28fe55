import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../cache";

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
    entryPoints: [join(OFFLINE, bundle.source)], outfile: join(folder, bundle.name), absWorkingDir: join(OFFLINE, ".."),
    bundle: true, platform: "node", target: "node20", format: "cjs", metafile: true, logLevel: "silent",
    banner: { js: "#!/usr/bin/env node" }, legalComments: "none",
    // Compilers that the SDK loads only for programs that are not yet JavaScript; and add-ons that are not there.
    external: ["typescript", "ts-node", "cpu-features", "*.node"],
  });
  return Object.keys(result.metafile.inputs).map((file) => join(OFFLINE, "..", file));
}

/** Remembers beside `made` what it was made from. */
export function rememberSources(record: string, sources: readonly string[], stamp: string): void {
  writeWhole(record, JSON.stringify({ sources, stamp }));
}

/** What was remembered; undefined when nothing was. */
export function rememberedSources(record: string): { sources: string[]; stamp: string } | undefined {
  return existsSync(record) ? JSON.parse(readFileSync(record, "utf8")) as { sources: string[]; stamp: string } : undefined;
}
