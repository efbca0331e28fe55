import type { Readable } from "node:stream";
import { LIMITS } from "./limits";

/** What the interpreter says of a cell. */
export interface DriverResult {
  count: number | null;
  /** Traceback. */
  error: string | null;
  /** What was dropped because it was too much. */
  cut: string | null;
  images: Record<string, string>[];
}

/** A cell that the interpreter was given. */
export interface Pending {
  id: string;
  onBegun(): void;
  onResult(result: DriverResult): void;
}

/**
 * What comes from the interpreter, one JSON object a line. The user's code runs in the same process and can write here,
 * close it or fill it: only whole lines that begin with the id of the pending cell are read, all else is dropped.
 */
export class KernelChannel {
  /** Resolves at the first line, by which the interpreter says that it is ready. */
  readonly ready: Promise<void>;
  /** Whether nothing can come any more, although the process may live. */
  ended = false;
  pending: Pending | undefined;
  private onReady: () => void = () => undefined;
  private parts: Buffer[] = [];
  private size = 0;
  private tooLong = false;

  /** @param limit Longest line in bytes; a longer one is dropped. */
  constructor(
    stream: Readable,
    private readonly limit: number = LIMITS.result,
  ) {
    this.ready = new Promise((resolve) => (this.onReady = resolve));
    const end = (): void => {
      this.ended = true;
    };
    stream
      .on("data", (chunk: Buffer) => {
        this.take(chunk);
      })
      .once("end", end)
      .once("close", end)
      .on("error", end);
  }

  private take(chunk: Buffer): void {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      this.keep(chunk.subarray(from, at));
      this.endLine();
      from = at + 1;
    }
    this.keep(chunk.subarray(from));
  }

  private keep(part: Buffer): void {
    this.size += part.length;
    if (this.size > this.limit) this.tooLong = true;
    // What does not begin like an answer is not kept: garbage without a line end takes no memory.
    if (this.tooLong || part.length === 0 || (this.parts.length > 0 && !this.awaited(this.parts[0]!))) return;
    this.parts.push(part);
    if (this.parts.length > MAX_PARTS) this.parts = [Buffer.concat(this.parts)];
  }

  private endLine(): void {
    const line = this.tooLong ? undefined : Buffer.concat(this.parts);
    this.parts = [];
    this.size = 0;
    this.tooLong = false;
    if (line === undefined || line.length === 0) return;
    if (line.equals(READY)) {
      this.onReady();
      return;
    }
    const { pending } = this;
    if (!pending || !line.subarray(0, pending.id.length + PREFIX.length).equals(Buffer.from(PREFIX + pending.id)))
      return;
    const said = parse(line);
    if (said === "begun") pending.onBegun();
    else if (said) {
      this.pending = undefined;
      pending.onResult(said);
    }
  }

  /** Whether a line that begins so may be an answer: its first bytes are those of one, as far as they have come. */
  private awaited(first: Buffer): boolean {
    const start = Buffer.from(PREFIX);
    const length = Math.min(first.length, start.length);
    return first.subarray(0, length).equals(start.subarray(0, length));
  }
}

/** Pieces of a line that are kept apart. */
const MAX_PARTS = 64;
const READY = Buffer.from('{"ready": true}');
const PREFIX = '{"id": "';

/** A line as what it says; undefined for what the driver never says. */
function parse(line: Buffer): DriverResult | "begun" | undefined {
  let found: Partial<Record<keyof DriverResult | "begun", unknown>>;
  try {
    found = JSON.parse(line.toString()) as typeof found;
  } catch {
    return undefined;
  }
  if (found.begun === true) return "begun";
  const { count, error, cut, images } = found;
  const isText = (value: unknown): value is string | null => value === null || typeof value === "string";
  if (
    !(count === null || Number.isSafeInteger(count)) ||
    !isText(error) ||
    !isText(cut) ||
    !Array.isArray(images) ||
    !images.every(isImage)
  )
    return undefined;
  return { count: count as number | null, error, cut, images };
}

function isImage(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && Object.values(value).every((text) => typeof text === "string");
}
