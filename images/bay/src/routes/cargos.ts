import type { FastifyInstance } from "fastify";
import { bool, int, nullable, or, readBody, readQuery, str } from "../http/fields";
import { isoTime } from "../ids";
import type { Services } from "../services/services";
import type { CargoRow } from "../store/store";
import { keyed } from "./sandboxes";

interface CargoParams {
  Params: { id: string };
}

const CREATE = { size_limit_mb: nullable(int({ ge: 1, le: 65536 })) };
const LIST = {
  limit: or(int({ ge: 1, le: 200 }), 50),
  cursor: nullable(str({ max: 256, line: true })),
  managed: or(bool(), false),
};

/** Cargos: volumes of sandboxes and of clients. */
export function cargoRoutes(app: FastifyInstance, { cargos, idempotency }: Services): void {
  app.post(
    "/v1/cargos",
    { config: { json: "fields", body: CREATE, success: 201, summary: "Create a cargo" } },
    async (request, reply) => {
      const body = readBody(request, CREATE);
      const answer = await idempotency.run(keyed(request, body), async () => ({
        status: 201,
        body: cargoView(await cargos.create(request.owner, body.size_limit_mb, null)),
      }));
      return reply.code(answer.status).send(answer.body);
    },
  );

  app.get("/v1/cargos", { config: { query: LIST, summary: "List cargos" } }, (request) => {
    const { limit, cursor, managed } = readQuery(request, LIST);
    const { items, nextCursor } = cargos.list(request.owner, managed, cursor, limit);
    return { items: items.map(cargoView), next_cursor: nextCursor };
  });

  app.get<CargoParams>("/v1/cargos/:id", { config: { summary: "Read a cargo" } }, (request) =>
    cargoView(cargos.get(request.owner, request.params.id)),
  );

  app.delete<CargoParams>(
    "/v1/cargos/:id",
    { config: { success: 204, summary: "Delete a cargo that no sandbox uses" } },
    async (request, reply) => {
      await cargos.remove(request.owner, request.params.id);
      return reply.code(204).send();
    },
  );
}

function cargoView(row: CargoRow): object {
  return {
    id: row.id,
    managed: row.managed,
    managed_by_sandbox_id: row.managedBySandboxId,
    backend: "docker_volume",
    size_limit_mb: row.sizeLimitMb,
    created_at: isoTime(row.createdAt),
    last_accessed_at: isoTime(row.lastAccessedAt),
  };
}
