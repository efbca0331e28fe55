import { buildSync } from "esbuild";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** What a bundle was made of: each input's size and time of change, by its path relative to the context. */
type Inputs = Record<string, string>;

/**
 * Bundles a TypeScript service (`src/server.ts` in a build context) into `dist/server.js`, so that its
 * Dockerfile copies one file and needs no package registry. A context without that file is left alone: it is
 * somebody's own checkout. Nothing is done while the inputs are as they were, and the file is written only
 * when its content changes, so that an image is not built for nothing.
 */
export function bundle(context: string): void {
  const entry = join(context, "src", "server.ts");
  if (!existsSync(entry)) return;
  const outfile = join(context, "dist", "server.js");
  const stamp = join(context, "dist", "inputs.json");
  if (existsSync(outfile) && upToDate(context, stamp)) return;
  const result = buildSync({ entryPoints: [entry], outfile, bundle: true, platform: "node", target: "node24", format: "cjs", write: false, metafile: true, legalComments: "none", logLevel: "silent" });
  const [file] = result.outputFiles;
  mkdirSync(dirname(outfile), { recursive: true });
  if (!existsSync(outfile) || !readFileSync(outfile).equals(file!.contents)) writeFileSync(outfile, file!.contents);
  const inputs = Object.keys(result.metafile.inputs).map((path) => relative(context, resolve(path)));
  writeFileSync(stamp, JSON.stringify(Object.fromEntries(inputs.map((path) => [path, signature(join(context, path))]))));
}

function upToDate(context: string, stamp: string): boolean {
  if (!existsSync(stamp)) return false;
  const inputs = JSON.parse(readFileSync(stamp, "utf8")) as Inputs;
  return Object.entries(inputs).every(([path, then]) => signature(join(context, path)) === then);
}

function signature(file: string): string {
  const facts = statSync(file, { throwIfNoEntry: false });
  return facts ? `${facts.size} ${facts.mtimeMs}` : "absent";
}
