import type { FastifyInstance } from "fastify";
import type { Readable, Writable } from "node:stream";
import type { WebSocket } from "ws";
import { BoundedBytes } from "../bounded-bytes";
import type { ShipContext } from "../context";
import { LIMITS } from "../limits";
import { startTerminal } from "../shell";
import { envFileOf } from "../startup";

interface Size {
  cols: number;
  rows: number;
}

/** Path of the terminal's WebSocket. */
export const TERMINAL = "/term/ws";
/** A terminal with a longer side is a mistake. */
const LONGEST_SIDE = 1000;
const side = (otherwise: number) => ({ type: "integer", minimum: 1, maximum: LONGEST_SIDE, default: otherwise });

/** Codes of RFC 6455, section 7.4.1. */
const CLOSE = { ended: 1000, badMessage: 1008, failed: 1011, tryLater: 1013 } as const;

/**
 * A login shell on a pseudo-terminal over a WebSocket: what comes in is typed, or is a size as `{type: "resize", cols,
 * rows}`; what goes out is the terminal's text. Who hangs up ends the shell as a closed terminal window does.
 */
export function terminalRoutes(app: FastifyInstance, { workspace }: ShipContext): void {
  const query = { type: "object", properties: { cols: side(80), rows: side(24) } };
  let open = 0;
  app.get<{ Querystring: Size }>(TERMINAL, { websocket: true, schema: { querystring: query } }, (socket, request) => {
    if (open >= LIMITS.terminals) {
      close(socket, CLOSE.tryLater, `${LIMITS.terminals} terminals are open, which is the limit`);
      return;
    }
    open += 1;
    socket.once("close", () => {
      open -= 1;
    });
    const terminal = startTerminal({ home: workspace.root, envFile: envFileOf(workspace.root) }, request.query);
    const [keys, screen, complaints, sizes] = terminal.stdio as unknown as [Writable, Readable, Readable, Writable];
    const said = new BoundedBytes(LIMITS.terminalComplaint);
    complaints.on("data", (chunk: Buffer) => {
      said.push(chunk);
    });
    // What is written to a terminal that has just ended is lost, as on any other. That it has ended is told by `close`.
    for (const stream of [keys, screen, complaints, sizes, socket]) stream.on("error", () => {});
    terminal.once("error", (error) => {
      close(socket, CLOSE.failed, `no terminal: ${error.message}`);
    });
    terminal.once("close", (code) => {
      close(
        socket,
        code === 0 ? CLOSE.ended : CLOSE.failed,
        code === 0 ? "the shell has ended" : `no terminal: ${lastLine(said.text())}`,
      );
    });
    socket.once("close", () => {
      keys.destroy();
    });
    show(screen, socket);
    socket.on("message", (data, binary) => {
      take(data as Buffer, binary, { socket, keys, sizes });
    });
  });
}

/** A program that prints faster than the caller reads waits, as on any terminal. */
function show(screen: Readable, socket: WebSocket): void {
  screen.setEncoding("utf8").on("data", (text: string) => {
    socket.send(text, () => {
      if (socket.bufferedAmount < LIMITS.terminal) screen.resume();
    });
    if (socket.bufferedAmount >= LIMITS.terminal) screen.pause();
  });
}

/** A caller that types faster than the program reads waits likewise. */
function take(
  bytes: Buffer,
  binary: boolean,
  { socket, keys, sizes }: { socket: WebSocket; keys: Writable; sizes: Writable },
): void {
  const size = binary ? undefined : resizeOf(bytes.toString());
  if (size === undefined) {
    if (keys.write(bytes)) return;
    socket.pause();
    keys.once("drain", () => {
      socket.resume();
    });
  } else if (
    [size.cols, size.rows].every((count) => Number.isInteger(count) && count! >= 1 && count! <= LONGEST_SIDE)
  ) {
    sizes.write(`${size.cols} ${size.rows}\n`);
  } else {
    close(socket, CLOSE.badMessage, `resize wants cols and rows from 1 to ${LONGEST_SIDE}`);
  }
}

/** The size that a message asks for; undefined for what is to be typed. */
function resizeOf(text: string): Partial<Size> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const { type, cols, rows } = JSON.parse(text) as Partial<Size> & { type?: string };
    return type === "resize" ? { cols, rows } : undefined;
  } catch {
    return undefined;
  }
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

/** A reason has 123 bytes at most. */
function close(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, Buffer.from(reason).subarray(0, 123).toString());
}
