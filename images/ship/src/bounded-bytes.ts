import { outputCut } from "./limits";

/** Share of the limit that is kept for the end of the output, where programs say how they ended. */
const TAIL_SHARE = 8;
const FIRST_SIZE = 4096;

/**
 * Collects bytes up to a limit, so that a chatty program cannot fill Ship's memory: the beginning, and the end. What is
 * between them is counted and dropped. Memory goes by bytes and not by writes.
 */
export class BoundedBytes {
  private readonly headLimit: number;
  private readonly tailLimit: number;
  private head = Buffer.alloc(0);
  private headSize = 0;
  /** A ring; made when the head is full. */
  private tail: Buffer | undefined;
  private tailTotal = 0;

  /** @param limit Bytes kept. */
  constructor(private readonly limit: number) {
    this.tailLimit = Math.floor(limit / TAIL_SHARE);
    this.headLimit = limit - this.tailLimit;
  }

  push(chunk: Buffer): void {
    const room = Math.min(chunk.length, this.headLimit - this.headSize);
    if (room > 0) this.pushHead(chunk.subarray(0, room));
    if (room < chunk.length) this.pushTail(chunk.subarray(room));
  }

  /** What to say about bytes that were dropped; null when none were. */
  cut(): string | null {
    return this.dropped > 0 ? outputCut(this.dropped, this.limit) : null;
  }

  /** Whether the bytes are UTF-8; a character that was cut at an edge of what was kept is no fault. */
  isText(): boolean {
    try {
      for (const piece of this.pieces())
        new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(piece, { stream: true });
      return true;
    } catch {
      return false;
    }
  }

  /** UTF-8 text, with a note where bytes were dropped; each byte that is no UTF-8 becomes U+FFFD. */
  text(): string {
    const [first, ...rest] = this.pieces().map((piece) =>
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(piece, { stream: true }),
    );
    return [first, ...rest].join(`\n[${this.cut() ?? ""}]\n`);
  }

  private get dropped(): number {
    return Math.max(0, this.tailTotal - this.tailLimit);
  }

  /** One piece, or two when something between them was dropped: the second begins with a whole character. */
  private pieces(): Buffer[] {
    const head = this.head.subarray(0, this.headSize);
    if (!this.tail || this.tailTotal === 0) return [head];
    if (this.dropped === 0) return [Buffer.concat([head, this.tail.subarray(0, this.tailTotal)])];
    const from = this.tailTotal % this.tailLimit;
    return [head, fromWholeCharacter(Buffer.concat([this.tail.subarray(from), this.tail.subarray(0, from)]))];
  }

  private pushHead(bytes: Buffer): void {
    const needed = this.headSize + bytes.length;
    if (needed > this.head.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.headLimit, Math.max(FIRST_SIZE, needed, this.head.length * 2)));
      this.head.copy(larger, 0, 0, this.headSize);
      this.head = larger;
    }
    bytes.copy(this.head, this.headSize);
    this.headSize = needed;
  }

  private pushTail(bytes: Buffer): void {
    this.tail ??= Buffer.allocUnsafe(this.tailLimit);
    const kept = bytes.subarray(Math.max(0, bytes.length - this.tailLimit));
    this.tailTotal += bytes.length - kept.length;
    if (kept.length === 0) return;
    const at = this.tailTotal % this.tailLimit;
    const first = kept.subarray(0, this.tailLimit - at);
    first.copy(this.tail, at);
    kept.copy(this.tail, 0, first.length);
    this.tailTotal += kept.length;
  }
}

/** Leaves out the rest of a character whose beginning was dropped: three bytes at most. */
function fromWholeCharacter(bytes: Buffer): Buffer {
  let from = 0;
  while (from < 3 && (bytes[from]! & 0xc0) === 0x80) from++;
  return bytes.subarray(from);
}
