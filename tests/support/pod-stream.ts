import { Duplex } from "node:stream";
import type WebSocket from "ws";

/** Subprotocol of the kubelet's port-forward: each message is one byte of channel number, then payload. */
export const PORT_FORWARD_PROTOCOL = "v4.channel.k8s.io";
const DATA = 0;
const ERROR = 1;
/** Milliseconds that the other side has to confirm the end of a connection. */
const CLOSE_WITHIN = 2_000;

/** The way to the pod broke under a connection: neither side had closed it. */
export class BrokenWayError extends Error {
  constructor(why: string) {
    super(why);
    this.name = "BrokenWayError";
  }
}

/**
 * One TCP connection into a pod, carried by one WebSocket to the API server.
 *
 * Both directions hold back the other side when the reader is slow, so that a large body never piles up in
 * memory. The protocol cannot close one direction alone: ending the writable side closes the connection once
 * what was written has gone out. (client-node's own `PortForward` does neither, and loses the server's reason.)
 *
 * Ends with an error when the pod refused or reset the connection, with a `BrokenWayError` when the way broke.
 */
export class PodStream extends Duplex {
  readonly #ws: WebSocket;
  /** The first message of each channel only repeats the port's number, two bytes. */
  readonly #opened = new Set<number>();

  /** @param ws an open, paused socket: nothing of what the server sent may be lost before this reads it */
  constructor(ws: WebSocket) {
    super({ allowHalfOpen: false });
    this.#ws = ws;
    ws.on("message", (data: Buffer) => this.#receive(data));
    ws.on("error", (error) =>
      this.destroy(new BrokenWayError(`the connection to the API server broke: ${error.message}`)),
    );
    ws.on("close", (code) => this.#closed(code));
  }

  #receive(message: Buffer): void {
    const channel = message[0] ?? DATA;
    let payload = message.subarray(1);
    if (!this.#opened.has(channel)) {
      this.#opened.add(channel);
      payload = payload.subarray(2);
    }
    if (payload.length === 0) return;
    if (channel === ERROR) this.destroy(new Error(payload.toString("utf8").trim()));
    else if (channel === DATA && !this.push(payload)) this.#ws.pause();
  }

  /**
   * 1000 and 1005 are the kubelet's way to say that the pod closed its side; 1006 is a connection that just went away.
   */
  #closed(code: number): void {
    if (this.writableEnded) this.destroy();
    else if (code === 1006) this.destroy(new BrokenWayError("the connection to the API server broke"));
    else this.push(null);
  }

  override _read(): void {
    if (this.#ws.isPaused) this.#ws.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const message = Buffer.allocUnsafe(chunk.length + 1);
    message[0] = DATA;
    chunk.copy(message, 1);
    this.#ws.send(message, (error) => done(error ? new BrokenWayError(error.message) : undefined));
  }

  override _final(done: () => void): void {
    this.#ws.close(1000);
    const timer = setTimeout(() => this.destroy(), CLOSE_WITHIN);
    this.once("close", () => clearTimeout(timer));
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#ws.terminate();
    done(error);
  }
}

/**
 * Waits until a WebSocket of `Kube.connect` is open and gives the stream over it.
 * @throws Error with the API server's own message when it refuses
 */
export async function openPodStream(connecting: Promise<WebSocket>, signal: AbortSignal): Promise<PodStream> {
  const ws = await connecting;
  const abort = (): void => ws.terminate();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      ws.once("error", (error) => reject(new Error(`the API server is not reached: ${error.message}`)));
      ws.once("unexpected-response", (request, response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        response.on("close", () => {
          reject(new Error(`the API server refused the port-forward with ${response.statusCode}: ${messageOf(body)}`));
          request.destroy();
        });
      });
      ws.once("open", () => {
        ws.pause();
        ws.removeAllListeners("error");
        resolve(new PodStream(ws));
      });
      if (signal.aborted) abort();
    });
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body;
  } catch {
    return body.trim().slice(0, 300);
  }
}
