import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyInstance } from "fastify";
import { JsonError, JsonText, parseJson } from "../../common/src/json";
import { LIMITS } from "./limits";
import { WorkspaceError } from "./workspace-error";

/**
 * Parses JSON bodies after their structure was counted: a few megabytes of empty lists take gigabytes once they are
 * parsed.
 */
export function readBodies(app: FastifyInstance): void {
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => {
    try {
      done(null, parsed(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}

function parsed(body: Buffer): unknown {
  try {
    const { value } = parseJson(body, { depth: LIMITS.jsonDepth, values: LIMITS.jsonValues, bytes: LIMITS.body });
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, each instanceof JsonText ? each.toString() : each]),
    );
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    const large = error.problem === "values" || error.problem === "bytes";
    throw new WorkspaceError(
      large ? 413 : 400,
      large ? `body_too_large: ${error.message}` : `the body is no JSON: ${error.message.slice(0, 200)}`,
    );
  }
}

/**
 * Lets one path alone be upgraded. Another request that asks for an upgrade has lost its body to it: it is refused
 * before anything is done. To be called when all routes are there.
 */
export function upgradeOnly(app: FastifyInstance, path: string): void {
  const handlers = app.server.listeners("upgrade") as ((
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ) => void)[];
  app.server.removeAllListeners("upgrade");
  app.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.method === "GET" && request.url?.split("?")[0] === path) {
      for (const handle of handlers) handle.call(app.server, request, socket, head);
      return;
    }
    socket.on("error", () => undefined);
    const body = JSON.stringify({ detail: `only GET ${path} can be upgraded` });
    socket.end(
      `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  });
}
