import { randomUUID } from "node:crypto";
import multipart from "@fastify/multipart";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import { type Hold, OverBudget } from "../../../common/src/budget";
import { BayError, envelope, overLimit } from "../errors";
import { adminRoutes } from "../routes/admin";
import { browserRoutes } from "../routes/browser";
import { cargoRoutes } from "../routes/cargos";
import { execRoutes } from "../routes/exec";
import { fileRoutes } from "../routes/files";
import { historyRoutes } from "../routes/history";
import { infoRoutes } from "../routes/info";
import { sandboxRoutes } from "../routes/sandboxes";
import { keyRoutes } from "../routes/keys";
import { recoveryRoutes } from "../routes/recovery";
import { skillRoutes } from "../routes/skills";
import { transferRoutes } from "../routes/transfers";
import type { Services } from "../services/services";
import type { Auth } from "./auth";
import { type BodyKind, parseJsonBody, takeBodies, UnreadableBody } from "./body";
import { SchemaError, type Shape } from "./fields";
import { describeApi } from "./openapi";
import { answerUnknownRoutes } from "./known-routes";
import { limitConnections } from "./connections";
import { checkOwner, checkPath, requestId } from "./given";

declare module "fastify" {
  interface FastifyRequest {
    /** Tenant that the request acts for; set on all routes that are not open. */
    owner: string;
    /** Why the request is not let in; judged before its body is read, told after its syntax was checked. */
    denied: BayError | undefined;
    /** What the request holds of the memory for calls under way; released when its answer has been sent. */
    hold: Hold;
  }
  interface FastifyContextConfig {
    /** Needs no key. */
    open?: boolean;
    /** What else it asks of its caller. */
    admin?: boolean;
    keyed?: boolean;
    /** Has a JSON body, of this kind. */
    json?: BodyKind;
    /** For the description of the API: what the route does, its fields, the status of success (200). */
    summary?: string;
    body?: Shape;
    optionalBody?: boolean;
    multipart?: Record<string, { schema: object }>;
    query?: Shape;
    success?: number;
  }
}

/** Bodies up to this size are read for callers without a key, so that they hear of a syntax error first. */
const STRANGERS_BYTES = 64 * 1024;
/** Answers of this size count while they are sent: a client may be slow to read. */
const COUNTED_ANSWER = 64 * 1024;
/** Longest time in which headers must have come, and longest silence of a connection. */
const HEADERS_MS = 20_000;
const SILENCE_MS = 900_000;
/** Methods that the metrics tell apart: a parser knows thirty more. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/** Milliseconds in which the rest of a refused body is read and dropped. */
const DISCARD_MS = 10_000;
/** Characters of a path that the log shows. */
const LOGGED_PATH = 300;

/** Bay's HTTP server, not listening yet. */
export async function buildBay(services: Services, auth: Auth, logger: FastifyBaseLogger): Promise<FastifyInstance> {
  const { config } = services.context;
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    bodyLimit: config.server.max_json_bytes,
    genReqId: (request) => requestId(request.headers) ?? randomUUID(),
    connectionTimeout: SILENCE_MS,
    http: { headersTimeout: HEADERS_MS },
    routerOptions: { maxParamLength: 500 },
    forceCloseConnections: "idle",
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => {
      void (reply as unknown as FastifyReply).code(400).send({ detail: error.message.slice(0, 500) });
    },
  }) as unknown as FastifyInstance;
  app.decorateRequest("owner", "");
  app.decorateRequest("denied", undefined);
  app.decorateRequest("hold");
  limitConnections(app.server, config.limits.connections);
  takeBodies(app, config);
  answerUnknownRoutes(app);
  describeApi(app);
  addRequestHooks(app, auth, services);
  addErrorHandler(app);
  await app.register(multipart, {
    limits: {
      files: 1,
      fields: 10,
      parts: 11,
      fieldNameSize: 100,
      fieldSize: 64 * 1024,
      headerPairs: 20,
      fileSize: config.server.max_upload_bytes,
    },
    throwFileSizeLimit: true,
  });
  for (const routes of [
    infoRoutes,
    sandboxRoutes,
    execRoutes,
    fileRoutes,
    transferRoutes,
    historyRoutes,
    cargoRoutes,
    browserRoutes,
    skillRoutes,
    adminRoutes,
    recoveryRoutes,
  ])
    routes(app, services);
  keyRoutes(app, auth);
  return app;
}

function addRequestHooks(app: FastifyInstance, auth: Auth, { metrics, context: { config, budget } }: Services): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    request.hold = budget.hold("");
    if (request.routeOptions.config.open || request.is404) return;
    try {
      request.owner = checkOwner(auth.admit(request.headers, request.routeOptions.config));
      request.hold = budget.hold(request.owner);
    } catch (error) {
      if (error instanceof SchemaError) throw error;
      request.denied = error as BayError;
      const size = Number(request.headers["content-length"] ?? (request.headers["transfer-encoding"] ? Infinity : 0));
      if (size > STRANGERS_BYTES) throw error;
    }
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.raw.once("close", () => {
      request.hold.release();
    });
  });
  app.addHook("preHandler", async (request) => {
    if (request.routeOptions.config.json) parseJsonBody(request, config);
    if (request.denied) throw request.denied;
    checkPath(request);
  });
  app.addHook("onSend", async (request, reply, payload) => {
    const size = typeof payload === "string" || Buffer.isBuffer(payload) ? payload.length : 0;
    if (size >= COUNTED_ANSWER) request.hold.cover(size);
    // What is left of a body that nobody reads any more would stand before the next request of its connection.
    if (!request.raw.complete) discard(request, reply);
    // Once the server takes no more connections, one that is kept open would keep Bay from ending.
    if (!app.server.listening) reply.header("connection", "close");
  });
  app.addHook("onResponse", async (request, reply) => {
    const path = request.url.split("?")[0]!.slice(0, LOGGED_PATH); // queries name users' files
    metrics.request(
      request.is404 ? "unknown" : (request.routeOptions.url ?? "unknown"),
      METHODS.includes(request.method) ? request.method : "other",
      reply.statusCode,
      reply.elapsedTime,
    );
    const quiet = request.routeOptions.url === "/health" && reply.statusCode === 200;
    request.log[quiet ? "debug" : "info"](
      { method: request.method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) },
      "request",
    );
  });
}

/**
 * Lets a client that still sends read its answer: a connection that is closed with unread bytes is reset, and a
 * port-forward breaks all of its connections for one that was reset. Whoever still sends after `DISCARD_MS` is cut off.
 */
function discard({ raw }: FastifyRequest, reply: FastifyReply): void {
  const { socket } = raw;
  const late = setTimeout(() => {
    socket.destroy();
  }, DISCARD_MS);
  for (const end of ["end", "close"])
    raw.once(end, () => {
      clearTimeout(late);
    });
  raw.unpipe().resume();
  // Fastify asks for the end of the connection when a body was not read.
  reply.removeHeader("connection");
}

function addErrorHandler(app: FastifyInstance): void {
  app.setErrorHandler(async (error: Error & { statusCode?: number; code?: string }, request, reply) => {
    if (error instanceof SchemaError) return reply.code(422).send({ detail: error.problems });
    if (error instanceof UnreadableBody) return reply.code(400).send({ detail: error.message });
    const known = toBayError(error, request);
    if (!known) return reply.code(error.statusCode ?? 400).send({ detail: error.message.slice(0, 500) });
    if (known.status >= 500)
      request.log.warn({ code: known.code, error: known.message, details: known.details }, "the request failed");
    if (known.code === "unauthorized") reply.header("www-authenticate", "Bearer");
    const { retry_after_ms: wait } = known.details;
    if (typeof wait === "number") reply.header("retry-after", Math.ceil(wait / 1000));
    return reply.code(known.status).send(envelope(known, request.id));
  });
}

/** What the client is told; undefined for a request that the framework refused. */
function toBayError(
  error: Error & { statusCode?: number; code?: string },
  request: FastifyRequest,
): BayError | undefined {
  if (error instanceof BayError) return error;
  if (error instanceof OverBudget) return overLimit(`too much is under way: ${error.message}`, { reason: "in_flight" });
  if (error.statusCode === 413) return new BayError("payload_too_large", error.message);
  if (error.statusCode !== undefined && error.statusCode < 500) return undefined;
  request.log.error({ err: error }, "unexpected error");
  return new BayError("internal_error", "an unexpected error happened; Bay's log has more under this request id");
}
