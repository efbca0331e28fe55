import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { lstat, mkdir, open, readdir, readFile, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** A file operation that was refused; `status` is the HTTP status of the endpoint. */
export class WorkspaceError extends Error {
  constructor(readonly status: 400 | 403 | 404 | 413 | 500, message: string) {
    super(message);
  }
}

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

/** File operations inside one directory; symbolic links are resolved before a path is judged. */
export class Workspace {
  /** @param maxText Largest file, in bytes, that is read or written as text; transfers have no such limit. */
  constructor(readonly root: string, private readonly maxText = 64 * 1024 * 1024) {}

  /** The real location of `requested` (relative to the root or absolute). @throws WorkspaceError 403 when outside. */
  async resolve(requested: string): Promise<string> {
    if (requested.includes("\0")) throw new WorkspaceError(400, "the path holds a NUL byte");
    const wanted = path.resolve(this.root, requested);
    const root = await realpath(this.root);
    const real = await realOf(wanted, 0);
    if (real !== root && !real.startsWith(root + path.sep)) throw new WorkspaceError(403, `access denied: ${requested} is outside of the workspace`);
    return real;
  }

  /** Text of a file; CRLF and CR are read as LF. `offset` is a line number from 1, `limit` a number of lines. */
  async readText(requested: string, offset?: number | null, limit?: number | null): Promise<{ content: string; path: string; size: number }> {
    const file = await this.existingFile(requested);
    const { size } = await stat(file);
    if (size > this.maxText) throw new WorkspaceError(413, `${requested} has ${size} bytes; text of more than ${this.maxText} bytes is not read, download it`);
    const raw = await readFile(file);
    let content: string;
    try {
      content = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw).replace(/\r\n?/g, "\n");
    } catch {
      throw new WorkspaceError(500, `${requested} is not UTF-8 text`);
    }
    if (offset != null || limit != null) {
      const from = Math.max(0, (offset ?? 1) - 1);
      content = content.split(/(?<=\n)/).slice(from, limit == null ? undefined : from + limit).join("");
    }
    return { content, path: file, size };
  }

  /** Writes text; parents are made. Every failure is a 500, as the contract says. */
  async writeText(requested: string, content: string, mode: "w" | "a"): Promise<string> {
    try {
      const file = await this.resolve(requested);
      await mkdir(path.dirname(file), { recursive: true });
      const handle = await open(file, mode);
      try {
        await handle.writeFile(content);
      } finally {
        await handle.close();
      }
      return file;
    } catch (error) {
      throw new WorkspaceError(500, `writing ${requested} failed: ${(error as Error).message}`);
    }
  }

  /** Entries of a directory: directories first, then by name whatever the case. */
  async list(requested: string, showHidden: boolean): Promise<{ files: FileInfo[]; current_path: string }> {
    const directory = await this.resolve(requested);
    const found = await stat(directory).catch(() => undefined);
    if (!found) throw new WorkspaceError(404, `directory not found: ${requested}`);
    if (!found.isDirectory()) throw new WorkspaceError(400, `not a directory: ${requested}`);
    const names = (await readdir(directory)).filter((name) => showHidden || !name.startsWith("."));
    const files = (await Promise.all(names.map((name) => describe(directory, name)))).filter((entry) => entry !== undefined);
    const key = (entry: FileInfo): string => `${entry.is_dir ? 0 : 1}${entry.name.toLowerCase()}`;
    files.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
    return { files, current_path: directory };
  }

  /** Removes a file, a link (not what it points to) or a directory with all in it; the workspace itself is refused. */
  async remove(requested: string): Promise<string> {
    const wanted = path.resolve(this.root, requested);
    const refused = new WorkspaceError(400, "the workspace itself cannot be deleted");
    if (wanted === path.resolve(this.root)) throw refused;
    const target = path.join(await this.resolve(path.dirname(wanted)), path.basename(wanted));
    if (target === (await realpath(this.root))) throw refused;
    if (!(await lstat(target).catch(() => undefined))) throw new WorkspaceError(404, `not found: ${requested}`);
    await rm(target, { recursive: true });
    return target;
  }

  /** Stores a stream as a file: first beside it, then renamed, so that a broken upload leaves the old content. */
  async store(requested: string, content: Readable): Promise<{ file: string; size: number }> {
    const file = await this.resolve(requested);
    const old = await stat(file).catch(() => undefined);
    if (old?.isDirectory()) {
      content.resume();
      throw new WorkspaceError(400, `${requested} is a directory`);
    }
    await mkdir(path.dirname(file), { recursive: true });
    const part = path.join(path.dirname(file), `.${path.basename(file).slice(0, 100)}.${randomUUID()}.part`);
    try {
      const target = createWriteStream(part, { flags: "wx", mode: old ? old.mode & 0o777 : 0o644 });
      await pipeline(content, target);
      await rename(part, file);
      return { file, size: target.bytesWritten };
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  /** The real location of a file that exists. @throws WorkspaceError 404, 400 (not a file) or 403. */
  async existingFile(requested: string): Promise<string> {
    const file = await this.resolve(requested);
    const found = await stat(file).catch(() => undefined);
    if (!found) throw new WorkspaceError(404, `file not found: ${requested}`);
    if (!found.isFile()) throw new WorkspaceError(400, `not a file: ${requested}`);
    return file;
  }
}

/** Parts and links that a path may have. */
const MAX_DEPTH = 2048;

/** `file` with every link resolved, also where its last parts do not exist yet. */
async function realOf(file: string, depth: number): Promise<string> {
  if (depth > MAX_DEPTH) throw new WorkspaceError(400, "the path is too deep");
  try {
    return await realpath(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ELOOP") throw new WorkspaceError(400, `too many symbolic links: ${file}`);
    if (code === "ENAMETOOLONG") throw new WorkspaceError(400, "the path is too long");
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    const parent = await realOf(path.dirname(file), depth + 1);
    const here = path.join(parent, path.basename(file));
    // A write follows a dangling link too, so its target is what must be judged.
    const target = await readlink(here).catch(() => undefined);
    return target === undefined ? here : realOf(path.resolve(parent, target), depth + 1);
  }
}

async function describe(directory: string, name: string): Promise<FileInfo | undefined> {
  const file = path.join(directory, name);
  // A dangling link is listed as what it is: neither file nor directory.
  const found = await stat(file).catch(() => lstat(file)).catch(() => undefined);
  if (!found) return undefined; // removed while the list was made
  return {
    name, path: file, is_file: found.isFile(), is_dir: found.isDirectory(),
    size: found.isDirectory() ? null : found.size, modified_time: found.mtimeMs / 1000,
  };
}
