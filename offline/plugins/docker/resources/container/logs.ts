/** A container's output. */
import { readBytes, type DockerClient } from "../../daemon/client";

/** What the container wrote, standard output and error as one; `tail` limits it to that many last lines. */
export async function containerLogs(client: DockerClient, id: string, tail?: number): Promise<string> {
  const raw = await readBytes(
    await client.stream("GET", `/containers/${id}/logs`, {
      query: { stdout: true, stderr: true, tail: tail ?? "all" },
    }),
  );
  return unframed(raw);
}

/**
 * Without a terminal the daemon puts a header of 8 bytes (stream number, three zeros, length) in front of each piece.
 */
function unframed(raw: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at < raw.length;) {
    if (raw.length - at < 8 || (raw[at] ?? 3) > 2 || raw.readUIntBE(at + 1, 3) !== 0) return raw.toString("utf8");
    const length = raw.readUInt32BE(at + 4);
    pieces.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(pieces).toString("utf8");
}
