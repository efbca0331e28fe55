import type { FastifyRequest } from "fastify";
import type { IncomingHttpHeaders } from "node:http";
import { notFound } from "../errors";
import { SchemaError } from "./fields";

/** Longest name of an owner. */
const OWNER_LENGTH = 256;
/** What a request may call itself; anything else is given a new id. */
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
/** What the ids of Bay's things are made of, and the references of payloads; the rest names nothing. */
const ID = /^[\x21-\x7e]{1,500}$/;

/** The id that a request brings; undefined where it has none that can be put into a header and a log. */
export function requestId(headers: IncomingHttpHeaders): string | undefined {
  const [given] = [headers["x-request-id"]].flat();
  return given !== undefined && REQUEST_ID.test(given) ? given : undefined;
}

/** The owner as it was given. @throws SchemaError for one that is too long or has control characters */
export function checkOwner(owner: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (owner.length <= OWNER_LENGTH && !/[\u0000-\u001f\u007f]/.test(owner)) return owner;
  throw new SchemaError([
    {
      type: "string_too_long",
      loc: ["header", "x-owner"],
      msg: `String should have at most ${OWNER_LENGTH} characters, and no control characters`,
      input: owner.slice(0, OWNER_LENGTH),
      ctx: { max_length: OWNER_LENGTH },
    },
  ]);
}

/**
 * Names in a path that nothing has are not looked for: the database reads text up to a NUL only. @throws BayError
 * not_found
 */
export function checkPath({ params }: FastifyRequest): void {
  for (const value of Object.values((params ?? {}) as Record<string, string>)) {
    if (value !== "" && !ID.test(value)) throw notFound("resource", JSON.stringify(value));
  }
}
