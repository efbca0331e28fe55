import { createWriteStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";

/** A folder of evidence: what is written into it is masked, and nothing is written once it is closed. */
export class EvidenceFolder {
  readonly #missing: string[] = [];
  private closed = false;

  /** @param mask replaces secrets; what is known of them grows while evidence is gathered */
  constructor(
    readonly folder: string,
    private mask: (text: string) => string,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Knows more secrets from now on; to be called before what may hold them is written. */
  maskWith(mask: (text: string) => string): void {
    this.mask = mask;
  }

  write(path: string, content: string): void {
    if (this.closed) return;
    // A name of the cluster's or of a node's must not lead out of the folder.
    const file = join(
      this.folder,
      path
        .split("/")
        .map((part) => part.replace(/^\.+$/, "_"))
        .join("/"),
    );
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, this.mask(content), { mode: 0o600 });
  }

  /** Notes that something could not be gathered. After `close` this does nothing: the list is written by then. */
  miss(what: string): void {
    if (!this.closed) this.#missing.push(this.mask(what));
  }

  /** Gathers one part; what could not be had of it is listed in `incomplete.txt`. */
  async part(what: string, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => {
      this.miss(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    });
  }

  /** Writes `incomplete.txt` if anything is missing, and returns its lines; what still comes is too late. */
  close(): string[] {
    if (this.#missing.length > 0) this.write("incomplete.txt", `${this.#missing.join("\n")}\n`);
    this.closed = true;
    return [...this.#missing];
  }
}

/** Packs a folder into one `.tar.gz`, under the folder's own name. */
export async function archive(folder: string, file: string): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createGzip(), createWriteStream(file, { mode: 0o600 }));
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }).filter((found) => found.isFile())) {
    const path = join(entry.parentPath, entry.name);
    tar.entry({ name: relative(dirname(folder), path), mode: 0o600 }, readFileSync(path));
  }
  tar.finalize();
  await written;
}
