import multipart from "@fastify/multipart";
import websocket from "@fastify/websocket";
import Fastify, { type FastifyInstance } from "fastify";
import { version } from "../../../package.json";
import { requireToken } from "./auth";
import { BackgroundCommands } from "./background";
import type { ShipContext } from "./context";
import type { Kernel } from "./kernel";
import { LIMITS } from "./limits";
import { log } from "./log";
import { execRoutes } from "./routes/exec";
import { fileRoutes } from "./routes/files";
import { infoRoutes } from "./routes/info";
import { TERMINAL, terminalRoutes } from "./routes/terminal";
import { describeApi } from "./openapi";
import { readBodies, upgradeOnly } from "./requests";
import type { BuiltInSkill } from "./startup";
import { Workspace } from "./workspace";
import { WorkspaceError } from "./workspace-error";

interface ShipParts {
  workspace: string;
  kernel: Kernel;
  skills: BuiltInSkill[];
  missing: string[];
  /** SHA-256 of the token that every request must carry; undefined: none is asked for. */
  verifier?: Buffer | undefined;
}

/** The HTTP server, not listening yet. Errors have the form `{detail}`. */
export async function buildShip(parts: ShipParts): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, bodyLimit: LIMITS.body, forceCloseConnections: true, keepAliveTimeout: 0 });
  const context: ShipContext = {
    ...parts,
    version,
    workspace: new Workspace(parts.workspace),
    background: new BackgroundCommands(),
  };
  readBodies(app);
  describeApi(app);
  app.setErrorHandler(async (error: Error & { statusCode?: number; validation?: unknown }, request, reply) => {
    const status = error instanceof WorkspaceError ? error.status : error.validation ? 422 : (error.statusCode ?? 500);
    if (status >= 500)
      log("error", "request failed", { method: request.method, url: request.url.slice(0, 300), error: error.message });
    const most = request.routeOptions.bodyLimit;
    const detail =
      status === 413 && !(error instanceof WorkspaceError)
        ? `body_too_large: more than ${most} bytes of JSON`
        : error.message.slice(0, 1_000);
    await reply.code(status).send({ detail });
  });
  if (parts.verifier) requireToken(app, parts.verifier);
  // What is left of a body that nobody reads any more would stand before the next request of its connection.
  app.addHook("onSend", async ({ raw }) => {
    if (!raw.complete) raw.unpipe().resume();
  });
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ detail: "Not Found" }));
  await app.register(multipart, {
    limits: {
      files: 1,
      fields: 10,
      parts: 11,
      fieldNameSize: 100,
      fieldSize: 64 * 1024,
      headerPairs: 20,
      fileSize: Infinity,
    },
  });
  await app.register(websocket, { options: { maxPayload: LIMITS.terminal } });
  infoRoutes(app, context);
  execRoutes(app, context);
  fileRoutes(app, context);
  terminalRoutes(app, context);
  app.addHook("onReady", async () => {
    upgradeOnly(app, TERMINAL);
  });
  return app;
}
