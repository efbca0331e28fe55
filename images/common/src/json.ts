import { isUtf8 } from "node:buffer";

/** What a JSON text may hold, beside its size in bytes. */
export interface JsonLimits {
  /** Levels of lists and objects. */
  depth: number;
  /** Values and keys. An empty list takes 3 bytes of JSON and some 50 of memory. */
  values: number;
  /** Bytes that are parsed; texts that are lifted out do not count. */
  bytes: number;
}

/** Why a JSON text is not parsed. */
export type JsonProblem = "utf8" | "syntax" | "depth" | "values" | "bytes";

/** A JSON text that is broken, or would take more memory than its reader allows. */
export class JsonError extends Error {
  constructor(
    readonly problem: JsonProblem,
    message: string,
    readonly position = 0,
  ) {
    super(message);
  }
}

/** Texts of at least this many bytes are lifted out of the top level. */
const LIFTED_BYTES = 64 * 1024;

const QUOTE = 0x22,
  BACKSLASH = 0x5c,
  COMMA = 0x2c,
  COLON = 0x3a;
const OPEN_OBJECT = 0x7b,
  CLOSE_OBJECT = 0x7d,
  OPEN_LIST = 0x5b,
  CLOSE_LIST = 0x5d;

/**
 * A long text of a JSON object that stays as the bytes it arrived in, quotes and escapes included: it can be put into
 * another JSON text without being decoded. Its syntax has been checked.
 */
export class JsonText {
  /** @param wellFormed Whether it is Unicode: no half of a surrogate pair stands alone. */
  constructor(
    readonly bytes: Buffer,
    readonly wellFormed: boolean,
  ) {}

  /** Decodes it; takes one or two bytes of memory per character. */
  toString(): string {
    return JSON.parse(this.bytes.toString("utf8")) as string;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** A parsed JSON text. */
export interface ParsedJson {
  /** Long texts at the top level of an object are `JsonText`. */
  value: unknown;
  /** Values and keys that were parsed. */
  values: number;
}

/**
 * Parses JSON after its structure was counted: what is too deep, or has too many values, is refused before it takes
 * memory. Long texts at the top level of an object are not decoded.
 * @throws JsonError
 */
export function parseJson(bytes: Buffer, limits: JsonLimits): ParsedJson {
  if (!isUtf8(bytes)) throw new JsonError("utf8", "the text is not UTF-8");
  const { values, texts } = scan(bytes, limits);
  const rest = texts.size === 0 ? bytes : without(bytes, [...texts.values()]);
  if (rest.length > limits.bytes) throw new JsonError("bytes", `more than ${limits.bytes} bytes of JSON`);
  let value: unknown;
  try {
    value = JSON.parse(rest.toString("utf8"));
  } catch (error) {
    const { message } = error as Error;
    throw new JsonError("syntax", message, Number(/position (\d+)/.exec(message)?.[1] ?? 0));
  }
  for (const [name, { from, to }] of texts) {
    const text = new JsonText(bytes.subarray(from, to), checkText(bytes, from, to));
    // A plain assignment to `__proto__` would set the prototype.
    Object.defineProperty(value, name, { value: text, enumerable: true, writable: true, configurable: true });
  }
  return { value, values };
}

/** Puts a list of JSON texts and `JsonText`s together without decoding them. */
export function joinJson(parts: readonly (string | JsonText)[]): Buffer[] {
  return parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part.bytes));
}

/** A value as JSON, as bytes that need not be put together. */
export function jsonOf(value: string | JsonText): string | JsonText {
  return typeof value === "string" ? JSON.stringify(value) : value;
}

interface Span {
  from: number;
  to: number;
}

/** Counts values and finds the long texts of the top level. Syntax is judged only as far as that needs. */
function scan(bytes: Buffer, limits: JsonLimits): { values: number; texts: Map<string, Span> } {
  const texts = new Map<string, Span>();
  let depth = 0;
  let values = 0;
  let topIsObject = false;
  let key: string | undefined; // of the top-level member whose value comes next
  let awaitsKey = false;
  const count = (position: number): void => {
    if (++values > limits.values) throw new JsonError("values", `more than ${limits.values} values`, position);
  };
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      const end = endOfText(bytes, at);
      count(at);
      if (depth === 1 && topIsObject) {
        if (awaitsKey) {
          key = keyOf(bytes, at, end);
          awaitsKey = false;
        } else if (key !== undefined && end - at >= LIFTED_BYTES) texts.set(key, { from: at, to: end });
        else if (key !== undefined) texts.delete(key); // of two with one name the last counts
      }
      at = end;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      count(at);
      if (++depth > limits.depth)
        throw new JsonError("depth", `lists and objects are nested deeper than ${limits.depth} levels`, at);
      if (depth === 1) {
        topIsObject = byte === OPEN_OBJECT;
        awaitsKey = topIsObject;
      } else if (depth === 2 && key !== undefined) texts.delete(key);
      at += 1;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      depth -= 1;
      at += 1;
    } else if (byte === COMMA) {
      if (depth === 1) {
        awaitsKey = topIsObject;
        key = undefined;
      }
      at += 1;
    } else if (byte === COLON || byte <= 0x20) at += 1;
    else {
      count(at);
      if (depth === 1 && key !== undefined) texts.delete(key);
      while (at < bytes.length && !isEndOfWord(bytes[at]!)) at += 1;
    }
  }
  return { values, texts };
}

function isEndOfWord(byte: number): boolean {
  return (
    byte <= 0x20 ||
    byte === COMMA ||
    byte === COLON ||
    byte === QUOTE ||
    byte === OPEN_OBJECT ||
    byte === CLOSE_OBJECT ||
    byte === OPEN_LIST ||
    byte === CLOSE_LIST
  );
}

/** The position behind the closing quote of a text, or the end of all where it has none. */
function endOfText(bytes: Buffer, from: number): number {
  const quote = bytes.indexOf(QUOTE, from + 1);
  if (quote !== -1 && bytes[quote - 1] !== BACKSLASH) return quote + 1;
  // With escapes each byte is looked at: a search for each of millions of quotes would take seconds.
  for (let at = from + 1; at < bytes.length; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
    else if (bytes[at] === QUOTE) return at + 1;
  }
  return bytes.length;
}

function keyOf(bytes: Buffer, from: number, to: number): string | undefined {
  if (to - from >= LIFTED_BYTES) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8", from, to)) as string;
  } catch {
    return undefined; // the parser tells what is wrong
  }
}

/** The bytes with an empty text in place of each span. */
function without(bytes: Buffer, spans: Span[]): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { from, to } of spans.sort((a, b) => a.from - b.from)) {
    pieces.push(bytes.subarray(at, from), Buffer.from('""'));
    at = to;
  }
  return Buffer.concat([...pieces, bytes.subarray(at)]);
}

/** Checks a text token strictly. @returns whether all surrogates are in pairs @throws JsonError */
function checkText(bytes: Buffer, from: number, to: number): boolean {
  let wellFormed = true;
  let high = false; // the last character was the first half of a surrogate pair
  const last = to - 1;
  if (bytes[last] !== QUOTE || last === from) throw new JsonError("syntax", "Unterminated string in JSON", to);
  for (let at = from + 1; at < last; at += 1) {
    const byte = bytes[at]!;
    if (byte < 0x20) throw new JsonError("syntax", "Bad control character in string literal in JSON", at);
    if (byte !== BACKSLASH) {
      if (high) {
        wellFormed = false;
        high = false;
      }
      continue;
    }
    const unit = escaped(bytes, at + 1, last);
    at += unit === undefined ? 1 : 5;
    const low = unit !== undefined && unit >= 0xdc00 && unit <= 0xdfff;
    if (high !== low) wellFormed = false;
    high = unit !== undefined && unit >= 0xd800 && unit <= 0xdbff;
  }
  return wellFormed && !high;
}

/** The code unit of `uXXXX` at a position; undefined for an escape of one character. */
function escaped(bytes: Buffer, at: number, end: number): number | undefined {
  const letter = String.fromCharCode(bytes[at]!);
  if ('"\\/bfnrt'.includes(letter)) return undefined;
  const digits = bytes.toString("latin1", at + 1, Math.min(at + 5, end));
  if (letter !== "u" || !/^[0-9a-f]{4}$/i.test(digits))
    throw new JsonError("syntax", "Bad escaped character in JSON", at);
  return Number.parseInt(digits, 16);
}
