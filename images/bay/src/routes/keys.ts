import type { FastifyInstance } from "fastify";
import type { Auth } from "../http/auth";
import { isoTime } from "../ids";

const ACCESS = { admin: true, keyed: true };

/** The keys of the API: which there are, and an end to one. */
export function keyRoutes(app: FastifyInstance, auth: Auth): void {
  app.get("/v1/admin/keys", { config: { ...ACCESS, summary: "List API keys" } }, () => ({
    items: auth.list().map(({ id, prefix, owner, admin, configured, createdAt, lastUsedAt }) => ({
      id,
      prefix,
      owner,
      admin,
      configured,
      created_at: isoTime(createdAt),
      last_used_at: lastUsedAt === null ? null : isoTime(lastUsedAt),
    })),
  }));

  app.delete<{ Params: { id: string } }>(
    "/v1/admin/keys/:id",
    { config: { ...ACCESS, success: 204, summary: "Revoke an API key" } },
    async (request, reply) => {
      auth.revoke(request.params.id);
      return reply.code(204).send();
    },
  );
}
