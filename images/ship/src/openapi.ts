import type { FastifyInstance } from "fastify";
import { version } from "../../../package.json";

interface Described {
  body?: object;
  querystring?: { required?: string[]; properties: Record<string, object> };
}

const UPLOAD = {
  type: "object",
  required: ["file_path", "file"],
  properties: { file_path: { type: "string" }, file: { type: "string", format: "binary" } },
};
const ERROR = { type: "object", required: ["detail"], properties: { detail: { type: "string" } } };

/** Serves `/openapi.json`, made of the schemas by which requests are checked. To be called before routes are added. */
export function describeApi(app: FastifyInstance): void {
  const paths: Record<string, Record<string, object>> = {};
  app.addHook(
    "onRoute",
    ({
      url,
      method,
      schema,
      bodyLimit,
      websocket,
    }: {
      url: string;
      method: string | string[];
      schema?: Described;
      bodyLimit?: number;
      websocket?: boolean;
    }) => {
      const name = [method].flat()[0]!.toLowerCase();
      if (name === "head" || websocket === true || url === "/openapi.json") return;
      (paths[url] ??= {})[name] = operation(
        `${name}${url.replace(/\W+/g, "_")}`,
        url === "/fs/upload" ? { multipart: UPLOAD } : (schema ?? {}),
        bodyLimit,
      );
    },
  );
  app.get("/openapi.json", () => ({
    openapi: "3.0.3",
    info: { title: "Ship", version, description: "The runtime of a sandbox." },
    paths,
  }));
}

function operation(
  operationId: string,
  { body, querystring, multipart }: Described & { multipart?: object },
  bodyLimit: number | undefined,
): object {
  const content = multipart
    ? { "multipart/form-data": { schema: multipart } }
    : body && { "application/json": { schema: body } };
  const parameters = Object.entries(querystring?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    required: querystring?.required?.includes(name) ?? false,
    schema,
  }));
  const refused = { description: "Refused or failed", content: { "application/json": { schema: ERROR } } };
  return {
    operationId,
    parameters,
    ...(content ? { requestBody: { required: true, content } } : {}),
    ...(bodyLimit === undefined ? {} : { "x-body-limit": bodyLimit }),
    responses: { 200: { description: "Done" }, default: refused },
  };
}
