/**
 * BuildKit's progress as the daemon sends it: base64 of `moby.buildkit.v1.StatusResponse`, a protobuf message. Only
 * the fields that are shown are read: vertexes (1: 3 name, 7 error) and logs (3: 4 text).
 */
import { BinaryReader } from "google-protobuf";

export interface Progress {
  /** Names of build steps, e.g. `[2/3] COPY app /app`. */
  steps: string[];
  /** Output of build steps. */
  output: string[];
  /** Names of the steps that failed. */
  failed: string[];
}

/** Decodes one message. */
export function decodeTrace(base64: string): Progress {
  const progress: Progress = { steps: [], output: [], failed: [] };
  for (const [field, bytes] of messages(Buffer.from(base64, "base64"))) {
    const parts = new Map(messages(bytes));
    const text = (number: number): string => Buffer.from(parts.get(number) ?? []).toString("utf8");
    if (field === 1) {
      if (text(3)) progress.steps.push(text(3));
      if (text(7)) progress.failed.push(text(3));
    }
    if (field === 3 && text(4)) progress.output.push(text(4));
  }
  return progress;
}

const LENGTH_DELIMITED = 2;

/** The fields of a message that hold bytes, texts or messages; the last one wins in a map. */
function messages(bytes: Uint8Array): [number, Uint8Array][] {
  const reader = new BinaryReader(bytes);
  const found: [number, Uint8Array][] = [];
  while (reader.nextField()) {
    if (reader.getWireType() === LENGTH_DELIMITED) found.push([reader.getFieldNumber(), reader.readBytes()]);
    else reader.skipField();
  }
  return found;
}
