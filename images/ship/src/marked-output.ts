import { BoundedBytes } from "./bounded-bytes";
import type { OutputPipe } from "./output-pipe";

/** Collects what stands between a start and an end mark in a stream that never ends. */
export class MarkedOutput {
  /** Resolves when the end mark has come. */
  readonly complete: Promise<void>;
  private readonly kept: BoundedBytes;
  private readonly start: Buffer;
  private readonly end: Buffer;
  private pending: Buffer = Buffer.alloc(0);
  private started = false;
  private finish: () => void = () => undefined;

  /** @param limit Bytes kept; the rest is counted. */
  constructor(
    private readonly pipe: Pick<OutputPipe, "sink">,
    marks: { start: string; end: string },
    limit: number,
  ) {
    this.kept = new BoundedBytes(limit);
    this.start = Buffer.from(marks.start);
    this.end = Buffer.from(marks.end);
    this.complete = new Promise((resolve) => (this.finish = resolve));
    pipe.sink = (chunk) => {
      this.take(chunk);
    };
  }

  text(): string {
    if (this.started && this.pending.length > 0) this.kept.push(this.pending);
    this.pending = Buffer.alloc(0);
    return this.kept.text();
  }

  /** What to say about output that was dropped; null when none was. */
  cut(): string | null {
    return this.kept.cut();
  }

  /** Stops listening; what comes now belongs to no cell and is dropped. */
  stop(): void {
    this.pipe.sink = undefined;
  }

  private take(chunk: Buffer): void {
    this.pending = this.pending.length > 0 ? Buffer.concat([this.pending, chunk]) : chunk;
    if (!this.started) {
      const at = this.pending.indexOf(this.start);
      if (at < 0) {
        this.pending = this.pending.subarray(-this.start.length);
        return;
      }
      this.started = true;
      this.pending = this.pending.subarray(at + this.start.length);
    }
    const end = this.pending.indexOf(this.end);
    const safe = end < 0 ? Math.max(0, this.pending.length - this.end.length) : end;
    this.kept.push(this.pending.subarray(0, safe));
    this.pending = end < 0 ? this.pending.subarray(safe) : Buffer.alloc(0);
    if (end >= 0) {
      this.stop();
      this.finish();
    }
  }
}
