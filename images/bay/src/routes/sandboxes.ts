import type { FastifyInstance, FastifyRequest } from "fastify";
import { isBroken } from "../../../common/src/table";
import { BayError } from "../errors";
import { int, nullable, or, readBody, readQuery, str } from "../http/fields";
import { isoTime } from "../ids";
import type { Sandboxes } from "../services/sandboxes";
import type { Services } from "../services/services";
import type { SandboxRow } from "../store/store";
import type { SandboxParams } from "./target";

const CREATE = {
  profile: or(str({ max: 256 }), "python-default"),
  cargo_id: nullable(str({ max: 256, line: true })),
  ttl: nullable(int()),
};
const LIST = {
  limit: or(int({ ge: 1, le: 200 }), 50),
  cursor: nullable(str({ max: 256, line: true })),
  status: nullable(str({ max: 64 })),
};
const EXTEND = { extend_by: int() };

/** The life of sandboxes. */
export function sandboxRoutes(app: FastifyInstance, { sandboxes, idempotency }: Services): void {
  app.post(
    "/v1/sandboxes",
    { config: { json: "fields", body: CREATE, success: 201, summary: "Create a sandbox" } },
    async (request, reply) => {
      const body = readBody(request, CREATE);
      const answer = await idempotency.run(keyed(request, body), async () => {
        const row = await sandboxes.create(request.owner, body);
        return { status: 201, body: sandboxView(sandboxes, row, { status: "idle" }) };
      });
      return reply.code(answer.status).send(answer.body);
    },
  );

  app.get("/v1/sandboxes", { config: { query: LIST, summary: "List sandboxes" } }, (request) => {
    const { limit, cursor, status } = readQuery(request, LIST);
    const { items, nextCursor } = sandboxes.list(request.owner, cursor, limit, status);
    return { items: items.map((row) => sandboxView(sandboxes, row)), next_cursor: nextCursor };
  });

  app.get<SandboxParams>("/v1/sandboxes/:id", { config: { summary: "Read a sandbox" } }, async (request) => {
    const row = sandboxes.get(request.owner, request.params.id);
    return sandboxView(sandboxes, row, { containers: await sandboxes.containers(row) });
  });

  app.delete<SandboxParams>(
    "/v1/sandboxes/:id",
    { config: { success: 204, summary: "Delete a sandbox" } },
    async (request, reply) => {
      await sandboxes.remove(request.owner, request.params.id);
      return reply.code(204).send();
    },
  );

  app.post<SandboxParams>(
    "/v1/sandboxes/:id/stop",
    { config: { summary: "Stop the sandbox's session" } },
    async (request) => {
      await sandboxes.stop(request.owner, request.params.id);
      return { status: "stopped" };
    },
  );

  app.post<SandboxParams>(
    "/v1/sandboxes/:id/keepalive",
    { config: { summary: "Restart the idle clock" } },
    (request) => {
      sandboxes.keepalive(request.owner, request.params.id);
      return { status: "ok" };
    },
  );

  app.post<SandboxParams>(
    "/v1/sandboxes/:id/extend_ttl",
    { config: { json: "fields", body: EXTEND, summary: "Let the sandbox live longer" } },
    async (request, reply) => {
      const body = readBody(request, EXTEND);
      if (body.extend_by <= 0)
        throw new BayError("validation_error", `extend_by is ${body.extend_by}; wanted more than 0 seconds`);
      const answer = await idempotency.run(keyed(request, body), async () => {
        const row = await sandboxes.extendTtl(request.owner, request.params.id, body.extend_by);
        return { status: 200, body: sandboxView(sandboxes, row, { status: "idle" }) };
      });
      return reply.code(answer.status).send(answer.body);
    },
  );
}

/** What the idempotency of a request rests on. */
export function keyed(
  request: FastifyRequest,
  body: object,
): { owner: string; key: string | undefined; method: string; path: string; body: object } {
  return {
    owner: request.owner,
    key: [request.headers["idempotency-key"]].flat()[0],
    method: request.method,
    path: request.url.split("?")[0]!,
    body,
  };
}

function sandboxView(
  sandboxes: Sandboxes,
  row: SandboxRow,
  known: { status?: string; containers?: object[] | null } = {},
): object {
  return {
    id: row.id,
    status: isBroken(row) ? "failed" : (known.status ?? sandboxes.status(row)),
    profile: row.profileId,
    cargo_id: row.cargoId,
    capabilities: sandboxes.capabilities(row),
    created_at: isoTime(row.createdAt),
    expires_at: row.expiresAt === null ? null : isoTime(row.expiresAt),
    idle_expires_at: row.idleExpiresAt === null ? null : isoTime(row.idleExpiresAt),
    containers: known.containers ?? null,
  };
}
