import { constants } from "node:fs";
import { lstat, open, readdir, rmdir, unlink } from "node:fs/promises";
import { byHandle, withPlace } from "./beneath";
import { shownName } from "./file-names";

/** One entry of a directory. */
export interface FileInfo {
  name: string;
  /** Absolute path. */
  path: string;
  is_file: boolean;
  is_dir: boolean;
  /** Bytes; null for directories. */
  size: number | null;
  /** Seconds since 1970, with fraction. */
  modified_time: number;
}

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** First character of a hidden name. */
const DOT = 0x2e;
/** Removals under way at once. */
const BATCH = 64;

/**
 * Entries of an open directory. A link is told by what it leads to, but only as far as that is below `root`; else, and
 * where it leads nowhere, it is neither file nor directory.
 */
export async function describeAll(at: string, shown: string, root: string, showHidden: boolean): Promise<FileInfo[]> {
  const names = (await readdir(at, { encoding: "buffer" })).filter((name) => showHidden || name[0] !== DOT);
  const found = await Promise.all(
    names.map((name) =>
      describe(Buffer.concat([Buffer.from(`${at}/`), name]), `${shown}/${shownName(name)}`, shownName(name), root),
    ),
  );
  const key = ({ is_dir, name }: FileInfo): string => `${is_dir ? 0 : 1}${name.toLowerCase()}`;
  return found.filter((entry) => entry !== undefined).sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** Removes a name, and when it is a directory all in it; never goes through a link. */
export async function removeTree(at: Buffer): Promise<void> {
  const refusal = await unlink(at).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  );
  if (!refusal) return;
  if (refusal.code !== "EISDIR" && refusal.code !== "EPERM") throw refusal;
  const directory = await open(at, O_DIRECTORY | O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOTDIR" ? refusal : error;
  });
  try {
    const inside = Buffer.from(`${byHandle(directory)}/`);
    const entries = await readdir(inside, { withFileTypes: true, encoding: "buffer" });
    const named = (entry: { name: Buffer }): Buffer => Buffer.concat([inside, entry.name]);
    const plain = entries.filter((entry) => !entry.isDirectory());
    for (let from = 0; from < plain.length; from += BATCH)
      await Promise.all(plain.slice(from, from + BATCH).map((entry) => removeTree(named(entry))));
    for (const entry of entries.filter((each) => each.isDirectory())) await removeTree(named(entry));
  } finally {
    await directory.close();
  }
  await rmdir(at);
}

async function describe(at: Buffer, shown: string, name: string, root: string): Promise<FileInfo | undefined> {
  const own = await lstat(at).catch(() => undefined);
  if (!own) return undefined; // removed while the list was made
  const found = own.isSymbolicLink()
    ? await withPlace(root, shown, {}, (place) => lstat(place.at)).catch(() => own)
    : own;
  return {
    name,
    path: shown,
    is_file: found.isFile(),
    is_dir: found.isDirectory(),
    size: found.isDirectory() ? null : found.size,
    modified_time: found.mtimeMs / 1000,
  };
}
