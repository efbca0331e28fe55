import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";

/**
 * Answers for paths that no route takes, as clients of Bay know them: a trailing slash is redirected, a wrong method
 * is 405 with `Allow`, everything else is 404 `{detail}`. To be called before routes are added.
 */
export function answerUnknownRoutes(app: FastifyInstance): void {
  const routes: { pattern: RegExp; methods: string[] }[] = [];
  app.addHook("onRoute", ({ url, method }) => {
    const source = url
      .replace(/[.+?^${}()|[\]\\]/g, "\\$&")
      .replace(/:[A-Za-z_]+/g, "[^/]+")
      .replace(/\*/g, ".*");
    routes.push({ pattern: new RegExp(`^${source}$`), methods: [method].flat() });
  });
  // The router takes an empty last part as a parameter; for clients that is the path without it.
  app.addHook("onRequest", async (request, reply) => {
    if (!request.is404 && /.\/(\?|$)/.test(request.url) && request.url.split("?")[0]!.endsWith("/"))
      reply.callNotFound();
  });
  const methodsOf = (path: string): string[] => [
    ...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods)),
  ];
  app.setNotFoundHandler(async (request: FastifyRequest, reply: FastifyReply) => {
    const [path = "/", ...query] = request.url.split("?");
    const methods = methodsOf(path);
    if (methods.length > 0)
      return reply.code(405).header("allow", methods.sort().join(", ")).send({ detail: "Method Not Allowed" });
    const bare = path.replace(/\/+$/, "");
    if (bare !== path && methodsOf(bare).length > 0) {
      const location = `${request.protocol}://${request.host}${[bare, ...query].join("?")}`;
      return reply.code(307).header("location", location).send();
    }
    return reply.code(404).send({ detail: "Not Found" });
  });
}
