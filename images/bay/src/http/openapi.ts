import type { FastifyContextConfig, FastifyInstance } from "fastify";
import { version } from "../../../../package.json";

interface Route {
  method: string;
  url: string;
  config: FastifyContextConfig;
}
type Operation = {
  summary?: string;
  parameters: { name: string; in: string; required: boolean }[];
  [key: string]: unknown;
};
interface Description {
  openapi: string;
  info: object;
  paths: Record<string, Record<string, Operation>>;
  components: object;
}

/**
 * Serves the description of the API, open to all: `/openapi.json`, and for people `/docs` and `/redoc`. It is made of
 * the fields by which requests are read. To be called before routes are added.
 */
export function describeApi(app: FastifyInstance): void {
  const routes: Route[] = [];
  app.addHook("onRoute", ({ url, method, config = {} }) => {
    if (config.summary !== undefined) routes.push({ url, method: [method].flat()[0]!.toLowerCase(), config });
  });
  app.get("/openapi.json", { config: { open: true } }, () => description(routes));
  const page = (): string => html(description(routes));
  for (const url of ["/docs", "/redoc"])
    app.get(url, { config: { open: true } }, (_request, reply) => reply.type("text/html; charset=utf-8").send(page()));
}

function description(routes: Route[]): Description {
  const paths: Description["paths"] = {};
  for (const route of routes) (paths[pathOf(route.url)] ??= {})[route.method] = operation(route);
  return {
    openapi: "3.1.0",
    info: { title: "Bay", version, description: "A control plane for sandboxes.", "x-bay-reference": true },
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
      schemas: { Error: ERROR, SchemaProblems: PROBLEMS },
    },
  };
}

function operation({ url, method, config }: Route): Operation {
  const path = [...pathOf(url).matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name: name!,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const query = Object.entries(config.query ?? {}).map(([name, field]) => ({
    name,
    in: "query",
    required: !field.absent,
    schema: field.schema,
  }));
  const answer = (description: string, schema?: string): object => ({
    description,
    ...(schema ? { content: { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } } } : {}),
  });
  return {
    operationId: `${method}_${pathOf(url).replace(/\W+/g, "_").replace(/^_|_$/g, "")}`,
    summary: config.summary!,
    tags: [url.split("/")[2] ?? "health"],
    parameters: [...path, ...query],
    ...requestBody(config),
    responses: {
      [config.success ?? 200]: answer("Done"),
      ...((config.body ?? config.query) ? { 422: answer("Fields are wrong", "SchemaProblems") } : {}),
      default: answer("Refused or failed", "Error"),
    },
    ...(config.open ? {} : { security: [{ key: [] }] }),
  };
}

function requestBody({ body, optionalBody, multipart }: FastifyContextConfig): object {
  if (multipart)
    return {
      requestBody: {
        required: true,
        content: { "multipart/form-data": { schema: object(multipart, Object.keys(multipart)) } },
      },
    };
  if (!body) return {};
  const required = Object.entries(body).flatMap(([name, field]) => (field.absent ? [] : [name]));
  return {
    requestBody: { required: !optionalBody, content: { "application/json": { schema: object(body, required) } } },
  };
}

const object = (fields: Record<string, { schema: object }>, required: string[]): object => ({
  type: "object",
  properties: Object.fromEntries(Object.entries(fields).map(([name, { schema }]) => [name, schema])),
  required,
});

/** `/v1/cargos/:id` is `/v1/cargos/{id}`. */
const pathOf = (url: string): string => url.replace(/:(\w+)/g, "{$1}").replace("*", "{ref}");

const ERROR = {
  type: "object",
  properties: {
    error: {
      type: "object",
      properties: {
        code: { type: "string" },
        message: { type: "string" },
        request_id: { type: "string" },
        details: { type: "object" },
      },
      required: ["code", "message", "request_id"],
    },
  },
};
const PROBLEMS = {
  type: "object",
  properties: {
    detail: {
      type: "array",
      items: {
        type: "object",
        properties: { type: { type: "string" }, loc: { type: "array" }, msg: { type: "string" }, input: {} },
      },
    },
  },
};

/** One page that needs nothing from elsewhere. */
function html({ paths }: Description): string {
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { summary, parameters, requestBody }]) => {
      const fields = requestBody
        ? `<details><summary>body</summary><pre>${escape(JSON.stringify(requestBody, null, 2))}</pre></details>`
        : "";
      const names = parameters
        .filter((each) => each.in === "query")
        .map(({ name, required }) => `${name}${required ? "" : "?"}`)
        .join(", ");
      return `<tr><td>${method.toUpperCase()}</td><td><code>${escape(path)}</code></td><td>${escape(summary ?? "")}</td><td>${escape(names)}</td><td>${fields}</td></tr>`;
    }),
  );
  const style =
    "body{font-family:sans-serif;margin:2em}td,th{padding:.3em .8em;text-align:left;vertical-align:top;border-bottom:1px solid #ddd}";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bay's API</title><style>${style}</style></head><body><h1>Bay's API ${version}</h1>
<p>For programs: <a href="/openapi.json">openapi.json</a></p><table><tr><th>method</th><th>path</th><th></th><th>query</th><th></th></tr>${rows.join("\n")}</table></body></html>`;
}

const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
