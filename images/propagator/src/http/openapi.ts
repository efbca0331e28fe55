import type { FastifyContextConfig, FastifyInstance } from "fastify";
import { z } from "zod";
import { version } from "../../../../package.json";

/**
 * Serves `/openapi.json`, open to all, made of the schemas by which requests are read. To be called before routes are
 * added.
 */
export function describeApi(app: FastifyInstance): void {
  const paths: Record<string, Record<string, object>> = {};
  app.addHook("onRoute", ({ url, method, config }) => {
    const name = [method].flat()[0]!.toLowerCase();
    if (config?.summary === undefined || name === "head") return;
    (paths[url.replace(/:(\w+)/g, "{$1}")] ??= {})[name] = operation(name, url, config);
  });
  app.get("/openapi.json", { config: { open: true } }, async () => ({
    openapi: "3.1.0",
    info: { title: "Propagator", version, description: "Checkpoints and restores of pods." },
    paths,
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } }, schemas: { Refusal: REFUSAL } },
  }));
}

function operation(
  method: string,
  url: string,
  { summary, bodySchema: body, querySchema: query, open }: FastifyContextConfig,
): object {
  const path = [...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const { properties = {}, required = [] } = (query ? z.toJSONSchema(query, OPTIONS) : {}) as {
    properties?: Record<string, object>;
    required?: string[];
  };
  const parameters = Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
  return {
    operationId: `${method}${url.replace(/\W+/g, "_")}`,
    summary,
    parameters: [...path, ...parameters],
    ...(body
      ? { requestBody: { required: true, content: { "application/json": { schema: z.toJSONSchema(body, OPTIONS) } } } }
      : {}),
    responses: {
      200: { description: "Done" },
      default: {
        description: "Refused or failed",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Refusal" } } },
      },
    },
    ...(open === true ? {} : { security: [{ token: [] }] }),
  };
}

const OPTIONS = { io: "input", unrepresentable: "any" } as const;
const REFUSAL = {
  type: "object",
  required: ["message", "cedana_error_code", "code"],
  properties: { message: { type: "string" }, cedana_error_code: { type: "integer" }, code: { type: "string" } },
};
