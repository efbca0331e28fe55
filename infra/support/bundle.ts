import { buildSync } from "esbuild";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { copyNativePackage, nativePackageOf } from "./native-packages";

/** What a bundle was made of. */
interface Stamp {
  /** Each input's size and time of change, by its path relative to the context. */
  inputs: Record<string, string>;
  /** Packages with native code that lie beside it. */
  natives: string[];
}

/**
 * Bundles a TypeScript service (`src/server.ts` in a build context) into `dist/server.js`, so that its
 * Dockerfile copies files and needs no package registry. Native code cannot be bundled: packages of it go to
 * `dist/node_modules`, for Linux with glibc, as the images are. A context without that file is left alone: it is
 * somebody's own checkout. Nothing is done while the inputs are as they were, and the file is written only
 * when its content changes, so that an image is not built for nothing.
 */
export function bundle(context: string): void {
  const entry = join(context, "src", "server.ts");
  if (!existsSync(entry)) return;
  const outfile = join(context, "dist", "server.js");
  const stamp = join(context, "dist", "inputs.json");
  if (existsSync(outfile) && upToDate(context, stamp)) return;
  const result = buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    write: false,
    metafile: true,
    legalComments: "none",
    logLevel: "silent",
  });
  const [file] = result.outputFiles;
  mkdirSync(dirname(outfile), { recursive: true });
  if (!existsSync(outfile) || !readFileSync(outfile).equals(file!.contents)) writeFileSync(outfile, file!.contents);
  const inputs = Object.keys(result.metafile.inputs).map((path) => resolve(path));
  const natives = copyNatives(inputs, nativeFolder(context));
  writeFileSync(
    stamp,
    JSON.stringify({
      inputs: Object.fromEntries(inputs.map((path) => [relative(context, path), signature(path)])),
      natives,
    } satisfies Stamp),
  );
}

function nativeFolder(context: string): string {
  return join(context, "dist", "node_modules");
}

/** Copies what the inputs' packages need and gives the copied packages' names. */
function copyNatives(inputs: string[], folder: string): string[] {
  const roots = new Set(
    inputs.flatMap((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path.replaceAll("\\", "/")) ?? []),
  );
  const natives = [...roots].flatMap((root) => nativePackageOf(root) ?? []);
  rmSync(folder, { recursive: true, force: true });
  for (const native of natives) copyNativePackage(native, folder);
  return natives.map(({ name }) => name);
}

function upToDate(context: string, file: string): boolean {
  if (!existsSync(file)) return false;
  const { inputs, natives } = JSON.parse(readFileSync(file, "utf8")) as Partial<Stamp>;
  if (!inputs || !natives?.every((name) => existsSync(join(nativeFolder(context), name)))) return false;
  return Object.entries(inputs).every(([path, then]) => signature(join(context, path)) === then);
}

function signature(file: string): string {
  const facts = statSync(file, { throwIfNoEntry: false });
  return facts ? `${facts.size} ${facts.mtimeMs}` : "absent";
}
