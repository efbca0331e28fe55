import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readlink, realpath } from "node:fs/promises";
import path from "node:path";
import { hiddenName, shownName } from "./file-names";
import { WorkspaceError } from "./workspace-error";

/**
 * Paths that cannot leave a directory, also while others rename and relink what is in it: as openat() would, each part
 * is opened from the open directory before it and never through a link; links are read and walked by the same rules.
 */

/** A place below the root: a name in an open directory. What happens to the names above it moves it no more. */
export interface Place {
  /** For the system, while the place is held. The name itself may have become a link: open it with O_NOFOLLOW. */
  at: string | Buffer;
  /** Absolute, without links, for answers. */
  path: string;
  /** The same for another name in that directory. */
  beside(name: string): string;
}

export interface PlaceOptions {
  /** Whether missing directories above it are made. Default false: they are a 404. */
  makeParents?: boolean;
  /** Whether a link at the end is followed. Default true. */
  follow?: boolean;
}

const { O_DIRECTORY, O_NOFOLLOW } = constants;
/** Linux's flag for a handle that serves as a place only; Node has no name for it. */
const O_PATH = 0x200000;
/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;
/** Steps up that links may take; each walks down from the root again. */
const MAX_UPS = 256;
/** PATH_MAX without its final zero. */
const MAX_PATH = 4095;

/** Path of an open file for further calls. */
export const byHandle = (handle: FileHandle): string => `/proc/self/fd/${handle.fd}`;

/**
 * Finds `requested` (relative to `root`, or absolute and below it) and holds its place for `work`. The last part need
 * not exist. @throws WorkspaceError 403 outside, 400 for a path that cannot be, 404 for a missing directory; system
 * errors
 */
export async function withPlace<T>(
  root: string,
  requested: string,
  options: PlaceOptions,
  work: (place: Place) => Promise<T>,
): Promise<T> {
  const walk = await Walk.begin(root, requested);
  try {
    return await work(await walk.to(options));
  } finally {
    await walk.end();
  }
}

class Walk {
  private readonly names: string[] = [];
  private links = 0;
  private ups = 0;

  private constructor(
    private readonly root: string,
    private readonly requested: string,
    private readonly left: string[],
    private here: FileHandle,
  ) {}

  static async begin(root: string, requested: string): Promise<Walk> {
    if (requested.includes("\0")) throw new WorkspaceError(400, "the path holds a NUL byte");
    if (/\p{Surrogate}/u.test(requested)) throw new WorkspaceError(400, "the path is not valid Unicode");
    if (Buffer.byteLength(requested) > MAX_PATH)
      throw new WorkspaceError(400, `the path is too long: more than ${MAX_PATH} bytes`);
    const real = await realpath(root);
    const left = below([root, real], path.resolve(root, requested));
    if (left === undefined) throw outside(requested);
    return new Walk(real, requested, left, await open(real, O_PATH | O_DIRECTORY));
  }

  async end(): Promise<void> {
    await this.here.close();
  }

  async to({ makeParents = false, follow = true }: PlaceOptions): Promise<Place> {
    for (let name = this.left.shift(); name !== undefined; name = this.left.shift()) {
      const last = this.left.length === 0;
      if (last && !follow) return this.place(name);
      if (name === "..") {
        await this.up();
        continue;
      }
      const found = await this.look(name, makeParents && !last);
      if (found === "link") await this.follow(name);
      else if (last) {
        await found?.close();
        return this.place(name);
      } else if (!found) throw new WorkspaceError(404, `not found: ${this.requested}`);
      else await this.enter(found, name);
    }
    return this.place(".");
  }

  /** What a name is: a handle on what it stands for, a link, or undefined for nothing. */
  private async look(name: string, make: boolean): Promise<FileHandle | "link" | undefined> {
    const at = await this.system(name);
    if (make)
      await mkdir(at).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
    const handle = await open(at, O_PATH | O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (!handle || !(await handle.stat()).isSymbolicLink()) return handle;
    await handle.close();
    return "link";
  }

  private async enter(directory: FileHandle, name: string): Promise<void> {
    if (!(await directory.stat()).isDirectory()) {
      await directory.close();
      throw new WorkspaceError(404, `not found: ${this.requested} has a file as a directory`);
    }
    await this.here.close();
    this.here = directory;
    this.names.push(name);
  }

  /** Puts what a link says before what is left of the path. */
  private async follow(name: string): Promise<void> {
    if (++this.links > MAX_LINKS) throw new WorkspaceError(400, `too many symbolic links: ${this.requested}`);
    const target = await readlink(await this.system(name), { encoding: "buffer" }).then(
      shownName,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EINVAL") return name; // it has become something else since: look again
        throw error;
      },
    );
    if (!path.isAbsolute(target)) {
      this.left.unshift(...target.split("/").filter((part) => part !== "" && part !== "."));
      return;
    }
    const parts = below([this.root], target);
    if (parts === undefined) throw outside(this.requested);
    await this.restart(parts);
  }

  /** `..` in a link: the directory that the names so far lead to, which another may have moved since, is found anew. */
  private async up(): Promise<void> {
    if (this.names.length === 0) throw outside(this.requested);
    if (++this.ups > MAX_UPS) throw new WorkspaceError(400, `too many steps up: ${this.requested}`);
    await this.restart(this.names.slice(0, -1));
  }

  private async restart(parts: string[]): Promise<void> {
    this.left.unshift(...parts);
    this.names.length = 0;
    await this.here.close();
    this.here = await open(this.root, O_PATH | O_DIRECTORY);
  }

  /**
   * The path of a name in the open directory. One that is no UTF-8 is asked for as it is shown (file-names.ts), unless
   * there is one that is so called.
   */
  private async system(name: string): Promise<string | Buffer> {
    const at = `${byHandle(this.here)}/${name}`;
    const hidden = hiddenName(name);
    if (!hidden || (await exists(at))) return at;
    const bytes = Buffer.concat([Buffer.from(`${byHandle(this.here)}/`), hidden]);
    return (await exists(bytes)) ? bytes : at;
  }

  private async place(name: string): Promise<Place> {
    const beside = (other: string): string => `${byHandle(this.here)}/${other}`;
    return { at: await this.system(name), path: path.join(this.root, ...this.names, name), beside };
  }
}

async function exists(at: string | Buffer): Promise<boolean> {
  return lstat(at).then(
    () => true,
    () => false,
  );
}

/** The parts of an absolute path below one of the roots, or undefined; `..` is taken as text does. */
function below(roots: string[], absolute: string): string[] | undefined {
  const whole = path.normalize(absolute);
  for (const root of roots) {
    if (whole === root) return [];
    if (whole.startsWith(`${root}/`))
      return whole
        .slice(root.length + 1)
        .split("/")
        .filter(Boolean);
  }
  return undefined;
}

function outside(requested: string): WorkspaceError {
  return new WorkspaceError(403, `access denied: ${requested} is outside of the workspace`);
}
