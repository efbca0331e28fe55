import { WorkspaceError } from "./workspace-error";

/** Decoders by Python's names of encodings; each throws when the bytes are not of it. */
const DECODERS: Record<string, (bytes: Buffer) => string> = {
  utf8: (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
  utf16: (bytes) => new TextDecoder("utf-16le", { fatal: true }).decode(bytes),
  utf16le: (bytes) => new TextDecoder("utf-16le", { fatal: true, ignoreBOM: true }).decode(bytes),
  latin1: (bytes) => bytes.toString("latin1"),
  iso88591: (bytes) => bytes.toString("latin1"),
  ascii: (bytes) => {
    if (bytes.some((byte) => byte > 0x7f)) throw new Error("not ASCII");
    return bytes.toString("latin1");
  },
};

/**
 * Text of bytes. @throws WorkspaceError 400 for an encoding that Ship does not know, 500 for bytes that are not of it
 */
export function decodeText(bytes: Buffer, encoding: string, requested: string): string {
  const decode = DECODERS[encoding.toLowerCase().replace(/[-_ ]/g, "")];
  if (!decode) throw new WorkspaceError(400, `unknown encoding: ${encoding}`);
  try {
    return decode(bytes);
  } catch {
    throw new WorkspaceError(500, `${requested} is not ${encoding.toUpperCase()} text`);
  }
}

/** Lines of a text by number, from 1; all of it when neither is given. */
export function linesOf(text: string, offset: number | null | undefined, limit: number | null | undefined): string {
  if (offset == null && limit == null) return text;
  const from = Math.max(0, (offset ?? 1) - 1);
  return text
    .split(/(?<=\n)/)
    .slice(from, limit == null ? undefined : from + limit)
    .join("");
}

/**
 * Replaces one occurrence, or all. @throws WorkspaceError 400 when there is none, or more than one and not all are
 * wanted
 */
export function replaceIn(
  text: string,
  wanted: string,
  by: string,
  all: boolean,
  requested: string,
): { text: string; replacements: number } {
  if (wanted === "") throw new WorkspaceError(400, "old_string is empty");
  const pieces = text.split(wanted);
  const found = pieces.length - 1;
  if (found === 0) throw new WorkspaceError(400, `old_string was not found in ${requested}`);
  if (found > 1 && !all)
    throw new WorkspaceError(
      400,
      `old_string stands ${found} times in ${requested}: give more of the text around it, or replace_all`,
    );
  return { text: pieces.join(by), replacements: found };
}
