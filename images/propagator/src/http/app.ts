import { randomUUID } from "node:crypto";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, LogController } from "fastify";
import type { ZodType } from "zod";
import { JsonError, type JsonLimits, parseJson } from "../../../common/src/json";
import { Refused } from "../errors";
import type { Bearer } from "./bearer";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Needs no token. */
    open?: boolean;
    /** For the description of the API: what the route does, and the schemas by which it reads a request. */
    summary?: string;
    bodySchema?: ZodType;
    querySchema?: ZodType;
  }
}

/** Largest body that is read, and what it may hold. */
const BODY_BYTES = 64 * 1024;
const JSON_LIMITS: JsonLimits = { depth: 16, values: 2_000, bytes: BODY_BYTES };
/** Longest time in which headers and a body must have come. */
const REQUEST_MS = 60_000;
const HEADERS_MS = 20_000;
const CONNECTIONS = 1_000;
/** What a request may call itself; anything else is given a new id. */
const REQUEST_ID = /^[\x21-\x7e]{1,100}$/;
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/** What names in a path are made of. */
const NAME = /^[\x21-\x7e]{1,500}$/;

export interface AppOptions {
  bearer: Bearer;
  log: FastifyBaseLogger;
  /** Told of every answer: the route's pattern, never a path with ids. */
  answered: (route: string, method: string, status: number, ms: number) => void;
}

/** An HTTP server with tokens, refusals and a log of requests, without routes and not listening yet. */
export function buildApp({ bearer, log, answered }: AppOptions): FastifyInstance {
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: true,
    bodyLimit: BODY_BYTES,
    genReqId: (request) =>
      [request.headers["x-request-id"]].flat().find((id) => id !== undefined && REQUEST_ID.test(id)) ?? randomUUID(),
    requestTimeout: REQUEST_MS,
    http: { headersTimeout: HEADERS_MS },
    frameworkErrors: (error, _request, reply) => {
      const { status, body } = new Refused("bad_request", error.message.slice(0, 500));
      void (reply as unknown as FastifyReply).code(status).send(body);
    },
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: true },
    forceCloseConnections: "idle",
    return503OnClosing: false,
  }) as unknown as FastifyInstance;
  app.server.maxConnections = CONNECTIONS;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => {
    done(null, body);
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    if (!request.routeOptions.config.open && !bearer.accepts(request.headers.authorization))
      throw new Refused("unauthorized", "wanted the header Authorization: Bearer TOKEN with the right token");
  });
  // The database reads text up to a NUL only.
  app.addHook("preHandler", async ({ params }) => {
    for (const name of Object.values((params ?? {}) as Record<string, string>)) {
      if (!NAME.test(name))
        throw new Refused("not_found", `there is nothing of the name ${JSON.stringify(name.slice(0, 100))}`);
    }
  });
  app.addHook("onSend", async (_request, reply) => {
    // Once the server takes no more connections, one that is kept open would keep it from ending.
    if (!app.server.listening) reply.header("connection", "close");
  });
  app.addHook("onResponse", async (request, reply) => {
    answered(
      request.is404 ? "unknown" : (request.routeOptions.url ?? "unknown"),
      METHODS.includes(request.method) ? request.method : "other",
      reply.statusCode,
      reply.elapsedTime,
    );
    // Clients that wait ask many times; what changes something, or fails, is worth a line.
    const quiet = reply.statusCode === 200 && ["GET", "HEAD"].includes(request.method);
    request.log[quiet ? "debug" : "info"](
      {
        method: request.method,
        path: request.url.split("?")[0]!.slice(0, 300),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      "request",
    );
  });
  app.setNotFoundHandler(async () => {
    throw new Refused("not_found", "there is no such path, or not with this method");
  });
  app.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    const refused = asRefused(error);
    if (refused.reason === "internal_error") request.log.error({ err: error }, "unexpected error");
    if (refused.reason === "unauthorized") reply.header("www-authenticate", "Bearer");
    return reply.code(refused.status).send(refused.body);
  });
  return app;
}

/** Reads a JSON object. @throws Refused bad_request with all problems */
export function readJson<T>(schema: ZodType<T>, body: unknown): T {
  let given: unknown;
  try {
    given = parseJson(Buffer.isBuffer(body) ? body : Buffer.alloc(0), JSON_LIMITS).value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new Refused(
      "bad_request",
      `wanted a JSON object as body${["depth", "values"].includes(error.problem) ? `: ${error.message}` : ""}`,
    );
  }
  return readValue(schema, given);
}

/** @throws Refused bad_request with all problems */
export function readValue<T>(schema: ZodType<T>, given: unknown): T {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw new Refused(
    "bad_request",
    result.error.issues
      .slice(0, 20)
      .map(({ path, message }) => `${path.length > 0 ? `${path.join(".")}: ` : ""}${message}`.slice(0, 300))
      .join("; "),
  );
}

function asRefused(error: Error & { statusCode?: number }): Refused {
  if (error instanceof Refused) return error;
  if (error.statusCode === 413) return new Refused("payload_too_large", `the body is larger than ${BODY_BYTES} bytes`);
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new Refused("bad_request", error.message.slice(0, 500));
  return new Refused(
    "internal_error",
    "an unexpected error happened; the propagator's log has more under this request id",
  );
}
