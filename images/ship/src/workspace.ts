import { randomUUID } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { byHandle, type Place, type PlaceOptions, withPlace } from "./beneath";
import { describeAll, type FileInfo, removeTree } from "./directories";
import { LIMITS } from "./limits";
import { decodeText, linesOf, replaceIn } from "./text";
import { explained, WorkspaceError } from "./workspace-error";

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants;
/** A pipe or a device must not hold the call: it is opened without waiting, then refused. */
const SAFE = O_NOFOLLOW | O_NONBLOCK;

/** Which part of a text file is wanted. */
export interface Excerpt {
  /** Python's name. Default `utf-8`. */
  encoding?: string | null;
  /** First line, from 1. */
  offset?: number | null;
  /** Number of lines. */
  limit?: number | null;
}

/** File operations inside one directory, which no path leaves (see beneath.ts). All throw WorkspaceError. */
export class Workspace {
  /** @param maxText Largest file, in bytes, that is read or edited as text; transfers have no such limit. */
  constructor(
    readonly root: string,
    private readonly maxText: number = LIMITS.text,
  ) {}

  /** Absolute path of a directory, without links; undefined when there is none. */
  async directory(requested: string): Promise<string | undefined> {
    const found = await this.at(requested, {}, async (place) =>
      (await statOf(place))?.isDirectory() ? place.path : undefined,
    ).catch((error: unknown) => {
      if (error instanceof WorkspaceError && error.status === 404) return undefined;
      throw error;
    });
    return found;
  }

  /** Text of a file; CRLF and CR are read as LF. */
  async readText(
    requested: string,
    { encoding, offset, limit }: Excerpt = {},
  ): Promise<{ content: string; path: string; size: number }> {
    const { bytes, path } = await this.readBytes(requested);
    const text = decodeText(bytes, encoding ?? "utf-8", requested).replace(/\r\n?/g, "\n");
    return { content: linesOf(text, offset, limit), path, size: bytes.length };
  }

  /** Writes text over a file or (`a`) behind it; parents are made. Every failure is a 500, as the contract says. */
  async writeText(requested: string, content: string, mode: "w" | "a", permissions?: number): Promise<string> {
    try {
      return await this.at(requested, { makeParents: true }, async (place) => {
        const handle = await open(place.at, O_WRONLY | O_CREAT | SAFE | (mode === "a" ? O_APPEND : O_TRUNC), 0o666);
        try {
          if (!(await handle.stat()).isFile()) throw new WorkspaceError(500, `${requested}: not a file`);
          await handle.writeFile(content);
          if (permissions !== undefined) await handle.chmod(permissions & 0o777);
        } finally {
          await handle.close();
        }
        return place.path;
      });
    } catch (error) {
      throw new WorkspaceError(500, `writing failed: ${(error as Error).message}`);
    }
  }

  /** Replaces text in a file, which keeps its mode and its line ends, and which nobody sees half written. */
  async editText(
    requested: string,
    wanted: string,
    by: string,
    all: boolean,
  ): Promise<{ path: string; replacements: number; size: number }> {
    const { bytes } = await this.readBytes(requested);
    const { text, replacements } = replaceIn(decodeText(bytes, "utf-8", requested), wanted, by, all, requested);
    if (Buffer.byteLength(text) > this.maxText) throw this.tooLarge(requested, Buffer.byteLength(text));
    const { path, size } = await this.store(requested, Readable.from([Buffer.from(text)]));
    return { path, replacements, size };
  }

  /** Entries of a directory: directories first, then by name whatever the case. */
  list(requested: string, showHidden: boolean): Promise<{ files: FileInfo[]; current_path: string }> {
    return this.at(requested, {}, async (place) => {
      const found = await statOf(place);
      if (found && !found.isDirectory()) throw new WorkspaceError(400, `not a directory: ${requested}`);
      const directory = await open(place.at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      try {
        return {
          files: await describeAll(byHandle(directory), place.path, this.root, showHidden),
          current_path: place.path,
        };
      } finally {
        await directory.close();
      }
    });
  }

  /** Removes a file, a link (not what it points to) or a directory with all in it; the workspace itself is refused. */
  remove(requested: string): Promise<string> {
    return this.at(requested, { follow: false }, async (place) => {
      if (String(place.at).endsWith("/.")) throw new WorkspaceError(400, "the workspace itself cannot be deleted");
      await removeTree(Buffer.from(place.at as string));
      return place.path;
    });
  }

  /** Stores a stream as a file: first beside it, then renamed, so that a broken upload leaves the old content. */
  store(requested: string, content: Readable): Promise<{ path: string; size: number }> {
    return this.at(requested, { makeParents: true }, async (place) => {
      const old = await statOf(place);
      if (old && !old.isFile())
        throw new WorkspaceError(400, `${requested}: ${old.isDirectory() ? "is a directory" : "not a file"}`);
      const part = place.beside(`.ship-upload-${randomUUID()}.part`);
      try {
        const handle = await open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        const target = handle.createWriteStream({ highWaterMark: CHUNK }); // closes the handle, whatever happens
        await handle.chmod(old ? old.mode & 0o777 : 0o644);
        await pipeline(content, target);
        await rename(part, place.at);
        return { path: place.path, size: target.bytesWritten };
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
    });
  }

  /** An open file and its length; the caller reads or closes it. */
  openFile(requested: string): Promise<{ handle: FileHandle; size: number; path: string }> {
    return this.at(requested, {}, async (place) => {
      const handle = await open(place.at, O_RDONLY | SAFE);
      const found = await handle.stat();
      if (found.isFile()) return { handle, size: found.size, path: place.path };
      await handle.close();
      throw new WorkspaceError(400, `not a file: ${requested}`);
    });
  }

  private async readBytes(requested: string): Promise<{ bytes: Buffer; path: string }> {
    const { handle, size, path } = await this.openFile(requested);
    try {
      if (size > this.maxText) throw this.tooLarge(requested, size);
      return { bytes: await firstBytes(handle, size), path };
    } finally {
      await handle.close();
    }
  }

  private tooLarge(requested: string, size: number): WorkspaceError {
    return new WorkspaceError(
      413,
      `file_too_large: ${requested} has ${size} bytes; text of more than ${this.maxText} bytes is not read or edited, download it`,
    );
  }

  private async at<T>(requested: string, options: PlaceOptions, work: (place: Place) => Promise<T>): Promise<T> {
    try {
      return await withPlace(this.root, requested, options, work);
    } catch (error) {
      throw explained(error, requested);
    }
  }
}

/** Bytes of a transfer that are under way at once. */
export const CHUNK = 256 * 1024;

async function statOf(place: Place): Promise<Stats | undefined> {
  return lstat(place.at).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

/** The file's first bytes, also when it grows meanwhile. */
async function firstBytes(handle: FileHandle, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, size - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
