import { isUtf8 } from "node:buffer";

/** A byte above ASCII as it is shown. Others are not taken back: they would be slashes, dots and zeros. */
const SHOWN_BYTE = /\\x([89a-f][0-9a-f])/gi;

/**
 * The name of a file as text: where it is no UTF-8, each byte above ASCII as `\\xNN`. JSON, and a query, can hold no
 * such byte.
 */
export function shownName(name: Buffer): string {
  if (isUtf8(name)) return name.toString();
  return name.toString("latin1").replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** The bytes of a name that is shown so; undefined for one that is what it seems. */
export function hiddenName(shown: string): Buffer | undefined {
  if (shown.search(SHOWN_BYTE) < 0) return undefined;
  const bytes = Buffer.from(shown)
    .toString("latin1")
    .replace(SHOWN_BYTE, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
  const name = Buffer.from(bytes, "latin1");
  return isUtf8(name) ? undefined : name;
}
