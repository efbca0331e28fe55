import type { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Hold } from "../../../common/src/budget";
import { JsonError, parseJson } from "../../../common/src/json";
import type { Config } from "../config/schema";
import { BayError } from "../errors";
import { SchemaError } from "./fields";

/** The request's body is no text in UTF-8. */
export class UnreadableBody extends Error {}

/** What a route's JSON body holds, which decides how large it may be. */
export type BodyKind = "fields" | "code" | "file";

/** Memory that a value takes once it is parsed, in bytes. */
const VALUE_BYTES = 100;
/** Times that a body is in memory at most: as bytes, as text, as values and as what is sent on. A file stays bytes. */
const COPIES: Record<BodyKind, number> = { fields: 4, code: 5, file: 1 };
/** What a body costs beside that which fits into no estimate; smaller ones are not counted. */
const FREE_BYTES = 16 * 1024;

/**
 * Bodies are read only by routes that have a JSON body (`config: {json: …}`): other routes ignore what is sent, and a
 * syntax error is reported before anything else is looked at. What is read is held of the budget for calls under way.
 */
export function takeBodies(app: FastifyInstance, config: Config): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", async (request: FastifyRequest, payload: NodeJS.ReadableStream) => {
    const { json: kind } = request.routeOptions.config;
    if (kind === undefined) {
      payload.resume();
      return undefined;
    }
    return readBytes(request, payload, {
      kind,
      limit: bodyLimit(kind, config),
      withinMs: config.limits.body_seconds * 1000,
    });
  });
}

/** Largest JSON body of a kind, in bytes. */
export function bodyLimit(kind: BodyKind, { server, limits }: Config): number {
  const most = { fields: limits.json_bytes, code: limits.json_bytes + limits.code_bytes, file: Infinity }[kind];
  return Math.min(most, server.max_json_bytes);
}

/** Replaces the raw body by what it says. @throws SchemaError, UnreadableBody, BayError payload_too_large */
export function parseJsonBody(request: FastifyRequest, { limits }: Config): void {
  const raw = request.body;
  if (!Buffer.isBuffer(raw) || raw.length === 0) {
    request.body = undefined;
    return;
  }
  if (!isJson(request.headers["content-type"])) {
    try {
      request.body = new TextDecoder("utf-8", { fatal: true }).decode(raw.subarray(0, limits.json_bytes));
    } catch {
      throw new UnreadableBody("There was an error parsing the body");
    }
    return;
  }
  try {
    const { value, values } = parseJson(raw, {
      depth: limits.json_depth,
      values: limits.json_values,
      bytes: limits.json_bytes,
    });
    request.hold.grow(values * VALUE_BYTES);
    request.body = value;
  } catch (error) {
    throw error instanceof JsonError ? refusalOf(error) : error;
  }
}

function refusalOf({ problem, message, position }: JsonError): Error {
  if (problem === "utf8") return new UnreadableBody("There was an error parsing the body");
  if (problem === "values" || problem === "bytes")
    return new BayError("payload_too_large", `the JSON body has ${message}`);
  return new SchemaError([
    { type: "json_invalid", loc: ["body", position], msg: "JSON decode error", input: {}, ctx: { error: message } },
  ]);
}

interface ReadOptions {
  kind: BodyKind;
  limit: number;
  withinMs: number;
}

/**
 * Reads a body. One whose length is told is held at once, so that of several large ones the first is read whole.
 * @throws BayError payload_too_large, OverBudget
 */
async function readBytes(
  request: FastifyRequest,
  payload: NodeJS.ReadableStream,
  { kind, limit, withinMs }: ReadOptions,
): Promise<Buffer> {
  const {
    hold,
    raw: { socket },
  } = request;
  const told = Number(request.headers["content-length"] ?? 0);
  if (told > limit) throw tooLarge(limit);
  let held = claim(hold, told, 0, kind);
  const chunks: Buffer[] = [];
  let size = 0;
  // Whoever sends a body byte by byte holds room for all of it.
  const late = setTimeout(() => {
    socket.destroy();
  }, withinMs);
  try {
    // What is refused is discarded by a hook: a stream that is destroyed here would reset the connection under the
    // answer.
    for await (const chunk of (payload as Readable).iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length;
      if (size > limit) throw tooLarge(limit);
      held = claim(hold, size, held, kind);
      chunks.push(chunk as Buffer);
    }
  } finally {
    clearTimeout(late);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** Holds what a body of so many bytes takes beyond `held`. @returns what is held */
function claim(hold: Hold, size: number, held: number, kind: BodyKind): number {
  const wanted = size <= FREE_BYTES ? 0 : size * COPIES[kind];
  if (wanted <= held) return held;
  if (!hold.fits(wanted))
    throw new BayError("payload_too_large", "the body takes more memory than this server has for all calls together");
  hold.grow(wanted - held);
  return wanted;
}

const tooLarge = (limit: number): BayError =>
  new BayError("payload_too_large", `the body is larger than ${limit} bytes`);

function isJson(type: string | undefined): boolean {
  return type === undefined || /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type.trim());
}
