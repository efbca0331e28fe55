import { outputCut } from "./limits";

/** Collects bytes up to a limit and counts the rest, so that a chatty program cannot fill Ship's memory. */
export class BoundedBytes {
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private dropped = 0;

  /** @param limit Bytes kept; what follows is only counted. */
  constructor(private readonly limit: number) {}

  push(chunk: Buffer): void {
    const room = this.limit - this.size;
    const kept = chunk.length <= room ? chunk : chunk.subarray(0, room);
    if (kept.length > 0) this.chunks.push(kept);
    this.size += kept.length;
    this.dropped += chunk.length - kept.length;
  }

  /** The bytes kept. */
  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** What to say about bytes that were dropped; null when none were. */
  cut(): string | null {
    return this.dropped > 0 ? outputCut(this.dropped, this.limit) : null;
  }

  /** UTF-8 text with the note; bytes that are no UTF-8 become U+FFFD. */
  text(): string {
    const cut = this.cut();
    return this.bytes().toString("utf8") + (cut === null ? "" : `\n[${cut}]`);
  }
}
