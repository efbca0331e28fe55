/** The build context: which files belong to it, their digest, and the archive that the daemon gets. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import dockerignore from "@balena/dockerignore";
import { pack, type Header, type Pack } from "tar-stream";
import { dockerfileInContext, type BuildOptions } from "./options";

interface Entry {
  /** Path in the context, with `/`. */
  name: string;
  /** Where the content is. */
  path: string;
  type: "file" | "directory" | "symlink";
  size: number;
  executable: boolean;
  link: string | undefined;
}

/** What a build gets: the entries in a fixed order and the Dockerfile's name among them. */
export interface Context {
  entries: Entry[];
  dockerfile: string;
}

/** Name of a Dockerfile that lies outside the context and is sent along. */
const OUTSIDE_DOCKERFILE = ".pulumi-dockerfile";

/**
 * Reads which files make up the context, `.dockerignore` applied.
 * @throws Error that names a context or Dockerfile that is not there.
 */
export async function readContext(options: BuildOptions): Promise<Context> {
  const root = resolve(options.context);
  const dockerfilePath = resolve(options.dockerfile);
  if (!(await lstat(root).catch(() => undefined))?.isDirectory())
    throw new Error(`the build context ${options.context} is not a folder (looked at ${root})`);
  if (!(await lstat(dockerfilePath).catch(() => undefined)))
    throw new Error(`the Dockerfile ${options.dockerfile} does not exist (looked at ${dockerfilePath})`);
  const inside = dockerfileInContext(options);
  const ignored = await ignoreRules(root, dockerfilePath);
  const entries = await walk(
    root,
    "",
    (name) => name !== inside && name !== ".dockerignore" && ignored.ignores(name),
    ignored.hasExceptions,
  );
  if (!inside) entries.push(await entryOf(OUTSIDE_DOCKERFILE, dockerfilePath));
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { entries, dockerfile: (inside ?? OUTSIDE_DOCKERFILE).split("\\").join("/") };
}

/**
 * A digest of everything that a build can see. Times and owners do not count, of the mode only whether a file can be
 * run.
 */
export async function contextDigest(context: Context): Promise<string> {
  const hash = createHash("sha256");
  for (const entry of context.entries) {
    hash.update(JSON.stringify([entry.name, entry.type, entry.executable, entry.link ?? null, entry.size]));
    if (entry.type === "file")
      await pipeline(createReadStream(entry.path, { highWaterMark: 1 << 20 }), async (chunks) => {
        for await (const chunk of chunks) hash.update(chunk as Buffer);
      });
  }
  return hash.digest("hex");
}

/**
 * The same for every checkout of the same files, so that equal content gives equal layers. Not zero: zip cannot store
 * times before 1980.
 */
const FIXED_TIME = new Date("1980-01-01T00:00:00Z");

/** The context as a tar archive. Errors while reading files end the stream. */
export function contextArchive(context: Context): Pack {
  const archive = pack();
  void fill(archive, context.entries).catch((error: unknown) => {
    archive.destroy(error as Error);
  });
  return archive;
}

async function fill(archive: Pack, entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    const header: Partial<Header> & { name: string } = {
      name: entry.name,
      type: entry.type,
      mode: entry.type === "directory" || entry.executable ? 0o755 : 0o644,
      mtime: FIXED_TIME,
      uid: 0,
      gid: 0,
      size: entry.type === "file" ? entry.size : 0,
      ...(entry.link === undefined ? {} : { linkname: entry.link }),
    };
    if (entry.type === "file" && entry.size > 0)
      await pipeline(createReadStream(entry.path, { highWaterMark: 1 << 20 }), archive.entry(header));
    else archive.entry(header);
  }
  archive.finalize();
}

interface IgnoreRules {
  ignores(name: string): boolean;
  hasExceptions: boolean;
}

/** BuildKit reads `NAME.dockerignore` beside the Dockerfile in the place of `.dockerignore`. */
async function ignoreRules(root: string, dockerfile: string): Promise<IgnoreRules> {
  const read = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined);
  const text = (await read(`${dockerfile}.dockerignore`)) ?? (await read(join(root, ".dockerignore"))) ?? "";
  const rules = dockerignore({ ignorecase: false }).add(text);
  return { ignores: (name) => rules.ignores(name), hasExceptions: /^\s*!/m.test(text) };
}

async function walk(
  root: string,
  folder: string,
  ignored: (name: string) => boolean,
  hasExceptions: boolean,
): Promise<Entry[]> {
  const found: Entry[] = [];
  for (const base of await readdir(join(root, folder))) {
    const name = folder ? `${folder}/${base}` : base;
    const left = ignored(name);
    const entry = left && !hasExceptions ? undefined : await entryOf(name, join(root, name));
    if (!entry) continue;
    // An exception can bring back a file of a folder that is ignored itself.
    if (entry.type === "directory") found.push(...(await walk(root, name, ignored, hasExceptions)));
    if (!left) found.push(entry);
  }
  return found;
}

async function entryOf(name: string, path: string): Promise<Entry> {
  const stat = await lstat(path);
  const type = stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "file";
  if (type === "file" && !stat.isFile())
    throw new Error(`${path} in the build context is neither a file, a folder nor a link`);
  return {
    name,
    path,
    type,
    size: type === "file" ? stat.size : 0,
    executable: type === "file" && (stat.mode & 0o111) !== 0,
    link: type === "symlink" ? await readlink(path) : undefined,
  };
}
