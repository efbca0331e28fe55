import http, { type IncomingMessage } from "node:http";
import type { Readable } from "node:stream";

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
  constructor(readonly failure: RuntimeFailure, message: string) {
    super(message);
  }
}

/** An answer of a runtime with a status of 400 or above. */
export class RuntimeAnswerError extends Error {
  constructor(readonly status: number, readonly detail: string) {
    super(detail);
  }
}

/** A request; exactly one of `json` and `stream` may be given. */
export interface RuntimeRequest {
  method: "GET" | "POST";
  path: string;
  json?: object;
  stream?: { content: Readable; type: string };
  /** Longest time for the whole answer; with `stream`, and for `open`, longest silence. */
  timeoutMs: number;
}

/** Codes of a connection that never came about. */
const NEVER_CONNECTED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"]);
/** Longest wait for a connection inside the cluster. */
const CONNECT_MS = 3_000;
/** Largest JSON answer taken, in bytes: as much as a client may send. Files of any size are streamed instead. */
const ANSWER_LIMIT = 64 * 1024 * 1024;

/**
 * Connections stay open between calls, but not as long as a runtime may keep them (uvicorn: 5 s): one that is closed
 * in the moment it is used again cannot be told from one that broke under the call, and code must not run twice.
 */
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 512, timeout: 4_000 });

/** Calls a runtime and gives its JSON. @throws RuntimeCallError, RuntimeAnswerError */
export async function callRuntime<T>(runtime: Runtime, request: RuntimeRequest): Promise<T> {
  const response = await send(runtime, request, request.stream === undefined);
  const text = await readAll(response);
  if (response.statusCode! >= 400) throw new RuntimeAnswerError(response.statusCode!, detailOf(text));
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new RuntimeAnswerError(502, `the runtime answered something that is no JSON: ${text.slice(0, 200)}`);
  }
}

/** Calls a runtime and gives its open answer; the caller reads or destroys it. @throws RuntimeCallError, RuntimeAnswerError */
export async function openRuntime(runtime: Runtime, request: RuntimeRequest): Promise<IncomingMessage> {
  const response = await send(runtime, request, false);
  if (response.statusCode! >= 400) throw new RuntimeAnswerError(response.statusCode!, detailOf(await readAll(response)));
  return response;
}

/** Closes the idle connections to a runtime that is gone. */
export function forgetRuntime(base: string): void {
  const { hostname, port } = new URL(base);
  for (const [name, sockets] of Object.entries(agent.freeSockets)) {
    if (name.startsWith(`${hostname}:${port}:`)) for (const socket of sockets ?? []) socket.destroy();
  }
}

function send({ url, token }: Runtime, { method, path, json, stream, timeoutMs }: RuntimeRequest, whole: boolean): Promise<IncomingMessage> {
  const payload = json === undefined ? undefined : JSON.stringify(json);
  return new Promise((resolve, reject) => {
    let connected = false;
    let answer: IncomingMessage | undefined;
    const request = http.request(new URL(path, url), {
      method, agent,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
        ...(stream ? { "content-type": stream.type } : {}),
      },
    });
    const late = (): void => {
      const error = new RuntimeCallError("timeout", `the runtime gave no answer within ${timeoutMs / 1000} s (${method} ${path.split("?")[0]!})`);
      answer?.destroy(error);
      request.destroy(error);
    };
    const deadline = whole ? setTimeout(late, timeoutMs) : request.setTimeout(timeoutMs, late) && undefined;
    const connecting = setTimeout(() => { request.destroy(new RuntimeCallError("refused", `no connection to the runtime within ${CONNECT_MS / 1000} s`)); }, CONNECT_MS);
    const ready = (): void => { connected = true; clearTimeout(connecting); };
    request.once("socket", (socket) => {
      if (!socket.connecting) { ready(); return; }
      socket.once("connect", ready);
    });
    request.once("response", (response) => {
      answer = response;
      response.once("close", () => { clearTimeout(deadline); });
      resolve(response);
    });
    request.once("close", () => { clearTimeout(connecting); if (!answer) clearTimeout(deadline); });
    let streamError: Error | undefined; // the client's side broke, not the runtime's
    request.on("error", (error: NodeJS.ErrnoException) => { stream?.content.destroy(); reject(streamError ?? failureOf(error, connected)); });
    if (stream) {
      stream.content.once("error", (error) => { streamError = error; request.destroy(error); });
      stream.content.pipe(request);
    } else request.end(payload);
  });
}

function failureOf(error: NodeJS.ErrnoException, connected: boolean): Error {
  if (error instanceof RuntimeCallError) return error;
  const refused = !connected && NEVER_CONNECTED.has(error.code ?? "");
  return new RuntimeCallError(refused ? "refused" : "broken", `the connection to the runtime ${refused ? "was refused" : "broke"}: ${error.message}`);
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response) {
      size += (chunk as Buffer).length;
      if (size > ANSWER_LIMIT) throw new RuntimeAnswerError(502, `the runtime's answer is larger than ${ANSWER_LIMIT} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    throw error instanceof RuntimeAnswerError ? error : failureOf(error as NodeJS.ErrnoException, true);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function detailOf(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === "string" ? detail : text.slice(0, 500);
  } catch {
    return text.slice(0, 500);
  }
}
