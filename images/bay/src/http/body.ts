import type { FastifyInstance, FastifyRequest } from "fastify";
import { SchemaError } from "./fields";

/** The request's body is no text in UTF-8. */
export class UnreadableBody extends Error {}

/**
 * Bodies are taken as bytes and read only by routes that have a JSON body (`config: {json: true}`): other routes
 * ignore what is sent, and a syntax error is reported before anything else is looked at.
 */
export function takeRawBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => { done(null, body); });
}

/** Replaces the raw body by what it says. @throws SchemaError, UnreadableBody */
export function parseJsonBody(request: FastifyRequest): void {
  const raw = request.body;
  if (!Buffer.isBuffer(raw) || raw.length === 0) {
    request.body = undefined;
    return;
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    throw new UnreadableBody("There was an error parsing the body");
  }
  if (!isJson(request.headers["content-type"])) {
    request.body = text;
    return;
  }
  try {
    request.body = JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const at = Number(/position (\d+)/.exec(message)?.[1] ?? 0);
    throw new SchemaError([{ type: "json_invalid", loc: ["body", at], msg: "JSON decode error", input: {}, ctx: { error: message } }]);
  }
}

function isJson(type: string | undefined): boolean {
  return type === undefined || /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type.trim());
}
