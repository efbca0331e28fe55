import { buildSync } from "esbuild";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Bundles a TypeScript service (`src/server.ts` in a build context) into `dist/server.js`, so that its
 * Dockerfile copies one file and needs no package registry. A context without that file is left alone: it is
 * somebody's own checkout. The file is written only when it changes.
 */
export function bundle(context: string): void {
  const entry = join(context, "src", "server.ts");
  if (!existsSync(entry)) return;
  const outfile = join(context, "dist", "server.js");
  const result = buildSync({ entryPoints: [entry], outfile, bundle: true, platform: "node", target: "node24", format: "cjs", write: false, legalComments: "none", logLevel: "silent" });
  const [file] = result.outputFiles;
  if (existsSync(outfile) && readFileSync(outfile).equals(file!.contents)) return;
  mkdirSync(dirname(outfile), { recursive: true });
  writeFileSync(outfile, file!.contents);
}
