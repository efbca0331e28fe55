import http, { type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { type Hold, OverBudget } from "../../../common/src/budget";
import type { RuntimeAnswer } from "./answers";

/** A runtime, and the token by which it knows Bay. */
export interface Runtime {
  /** Base URL. */
  url: string;
  /** Of its session; undefined: the call carries none. */
  token: string | undefined;
}

/** How a call to a runtime failed without an answer. */
export type RuntimeFailure =
  | "refused" // nothing of the request was taken: it may be sent again
  | "broken" // the connection broke while the runtime worked
  | "timeout";

/** No answer from a runtime. */
export class RuntimeCallError extends Error {
  constructor(
    readonly failure: RuntimeFailure,
    message: string,
  ) {
    super(message);
  }
}

/** An answer of a runtime with a status of 400 or above. */
export class RuntimeAnswerError extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(detail);
  }
}

/** A request; at most one of `json`, `body` and `stream` may be given. */
export interface RuntimeRequest {
  method: "GET" | "POST";
  path: string;
  json?: object;
  /** JSON that is ready to be sent, in pieces. */
  body?: readonly Buffer[];
  stream?: { content: Readable; type: string };
  /** Longest time for the whole answer; with `stream`, and for `open`, longest silence. */
  timeoutMs: number;
  /** What the answer is held for; left out for answers that are small. */
  hold?: Hold;
}

/** Codes of a connection that never came about. */
const NEVER_CONNECTED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"]);
/** Longest wait for a connection inside the cluster. */
const CONNECT_MS = 3_000;
/** What is read of an answer that tells an error. */
const ERROR_BYTES = 64 * 1024;
/** Longest wait for other calls to end before a large answer is read. */
const ROOM_MS = 10_000;

/**
 * Connections stay open between calls, but not as long as a runtime may keep them (uvicorn: 5 s): one that is closed
 * in the moment it is used again cannot be told from one that broke under the call, and code must not run twice.
 */
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 512, timeout: 4_000 });

/**
 * Calls a runtime and gives what it answered, when that is of the form wanted: a runtime runs its user's code, so its
 * answers are not trusted. @throws RuntimeCallError, RuntimeAnswerError, OverBudget
 */
export async function callRuntime<T>(runtime: Runtime, request: RuntimeRequest, answer: RuntimeAnswer<T>): Promise<T> {
  const response = await send(runtime, request, request.stream === undefined);
  if (response.statusCode! >= 400) throw await errorOf(response);
  const bytes = await readAll(response, answer.maxBytes, request.hold);
  const more = answer.memoryFor(bytes) - bytes.length;
  if (request.hold && more > 0) await room(request.hold, more);
  return answer.read(bytes);
}

/**
 * Calls a runtime and gives its open answer; the caller reads or destroys it. @throws RuntimeCallError,
 * RuntimeAnswerError
 */
export async function openRuntime(runtime: Runtime, request: RuntimeRequest): Promise<IncomingMessage> {
  const response = await send(runtime, request, false);
  if (response.statusCode! >= 400) throw await errorOf(response);
  return response;
}

/** Closes the idle connections to a runtime that is gone. */
export function forgetRuntime(base: string): void {
  const { hostname, port } = new URL(base);
  for (const [name, sockets] of Object.entries(agent.freeSockets)) {
    if (name.startsWith(`${hostname}:${port}:`)) for (const socket of sockets ?? []) socket.destroy();
  }
}

function send(
  { url, token }: Runtime,
  { method, path, json, body, stream, timeoutMs }: RuntimeRequest,
  whole: boolean,
): Promise<IncomingMessage> {
  const payload = body ?? (json === undefined ? undefined : [Buffer.from(JSON.stringify(json))]);
  return new Promise((resolve, reject) => {
    let connected = false;
    let answer: IncomingMessage | undefined;
    const request = http.request(new URL(path, url), {
      method,
      agent,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined
          ? {}
          : {
              "content-type": "application/json",
              "content-length": payload.reduce((sum, { length }) => sum + length, 0),
            }),
        ...(stream ? { "content-type": stream.type } : {}),
      },
    });
    const late = (): void => {
      const error = new RuntimeCallError(
        "timeout",
        `the runtime gave no answer within ${timeoutMs / 1000} s (${method} ${path.split("?")[0]!})`,
      );
      answer?.destroy(error);
      request.destroy(error);
    };
    const deadline = whole ? setTimeout(late, timeoutMs) : request.setTimeout(timeoutMs, late) && undefined;
    const connecting = setTimeout(() => {
      request.destroy(new RuntimeCallError("refused", `no connection to the runtime within ${CONNECT_MS / 1000} s`));
    }, CONNECT_MS);
    const ready = (): void => {
      connected = true;
      clearTimeout(connecting);
    };
    request.once("socket", (socket) => {
      if (!socket.connecting) {
        ready();
        return;
      }
      socket.once("connect", ready);
    });
    request.once("response", (response) => {
      answer = response;
      response.once("close", () => {
        clearTimeout(deadline);
      });
      resolve(response);
    });
    request.once("close", () => {
      clearTimeout(connecting);
      if (!answer) clearTimeout(deadline);
    });
    let streamError: Error | undefined; // the client's side broke, not the runtime's
    request.on("error", (error: NodeJS.ErrnoException) => {
      stream?.content.destroy();
      reject(streamError ?? failureOf(error, connected));
    });
    if (stream) {
      stream.content.once("error", (error) => {
        streamError = error;
        request.destroy(error);
      });
      stream.content.pipe(request);
    } else {
      for (const piece of payload ?? []) request.write(piece);
      request.end();
    }
  });
}

function failureOf(error: NodeJS.ErrnoException, connected: boolean): Error {
  if (error instanceof RuntimeCallError) return error;
  const refused = !connected && NEVER_CONNECTED.has(error.code ?? "");
  return new RuntimeCallError(
    refused ? "refused" : "broken",
    `the connection to the runtime ${refused ? "was refused" : "broke"}: ${error.message}`,
  );
}

/** Reads an answer. One whose length is told is held at once, so that of several large ones the first is read whole. */
async function readAll(response: IncomingMessage, limit: number, hold: Hold | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  let held = 0;
  const claim = async (bytes: number): Promise<void> => {
    if (hold && bytes > held) await room(hold, bytes - held);
    held = Math.max(held, bytes);
  };
  try {
    const told = Number(response.headers["content-length"]);
    if (told > limit) throw tooLarge(limit);
    if (told > UNCOUNTED) await claim(told);
    for await (const chunk of response) {
      size += (chunk as Buffer).length;
      if (size > limit) throw tooLarge(limit);
      if (size > UNCOUNTED) await claim(size);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    response.destroy();
    throw error instanceof RuntimeAnswerError || error instanceof OverBudget
      ? error
      : failureOf(error as NodeJS.ErrnoException, true);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** Answers up to this size are not counted. */
const UNCOUNTED = 64 * 1024;
const tooLarge = (limit: number): RuntimeAnswerError =>
  new RuntimeAnswerError(502, `the runtime's answer is larger than ${limit} bytes`);

async function room(hold: Hold, bytes: number): Promise<void> {
  if (!hold.fits(bytes))
    throw new RuntimeAnswerError(502, "the runtime's answer takes more memory than Bay has for all calls together");
  await hold.growWithin(bytes, ROOM_MS);
}

/** What an answer of 400 and above says, from its first bytes. */
async function errorOf(response: IncomingMessage): Promise<Error> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (size >= ERROR_BYTES) break; // ends the connection too
    }
  } catch (error) {
    return failureOf(error as NodeJS.ErrnoException, true);
  }
  return new RuntimeAnswerError(response.statusCode!, detailOf(Buffer.concat(chunks).toString("utf8", 0, ERROR_BYTES)));
}

function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return (typeof detail === "string" ? detail : text).slice(0, 500);
  } catch {
    return text.slice(0, 500);
  }
}
