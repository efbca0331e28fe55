import type { FastifyRequest } from "fastify";
import { JsonText } from "../../../common/src/json";

/** One problem of a request, in the form that clients of Bay know. */
export interface Problem {
  type: string;
  loc: (string | number)[];
  msg: string;
  input: unknown;
  ctx?: Record<string, unknown>;
}

/** A request whose fields are wrong: 422 `{detail: problems}`. */
export class SchemaError extends Error {
  constructor(readonly problems: Problem[]) {
    super("the request does not fit its schema");
  }
}

/** How one field is read. `absent` gives its value when it is left out; without it the field is required. */
export interface Field<T> {
  read(value: unknown): T | Omit<Problem, "loc" | "input">;
  absent?: () => T;
  /** The same as JSON Schema, for the description of the API. */
  schema: object;
}
export type Shape = Record<string, Field<unknown>>;
export type Read<S extends Shape> = { [K in keyof S]: S[K] extends Field<infer T> ? T : never };
type Wrong = Omit<Problem, "loc" | "input">;

/**
 * A string of Unicode; other types are not converted. @param options.max Characters at most. @param options.line
 * Whether control characters are refused.
 */
export function str({ max = 4096, line = false }: { max?: number; line?: boolean } = {}): Field<string> {
  return {
    schema: { type: "string", maxLength: max, ...(line ? { pattern: "^[^\\u0000-\\u001f\\u007f]*$" } : {}) },
    read: (value) => {
      // Each character has one byte or more, or six as an escape.
      if (value instanceof JsonText)
        return value.bytes.length > 6 * max + 2 ? tooLong(max) : readText(value.toString(), max, line);
      return typeof value === "string"
        ? readText(value, max, line)
        : { type: "string_type", msg: "Input should be a valid string" };
    },
  };
}

/** A string of any length. A long one stays as it came. */
export function content(): Field<string | JsonText> {
  return {
    schema: { type: "string" },
    read: (value) => {
      if (value instanceof JsonText) return value.wellFormed ? (new Box(value) as unknown as JsonText) : NO_UNICODE;
      return typeof value === "string"
        ? readText(value, Infinity, false)
        : { type: "string_type", msg: "Input should be a valid string" };
    },
  };
}

const NO_UNICODE: Wrong = {
  type: "string_unicode",
  msg: "Input should be a valid string, unable to parse raw data as a unicode string",
};
const tooLong = (max: number): Wrong => ({
  type: "string_too_long",
  msg: `String should have at most ${max} characters`,
  ctx: { max_length: max },
});

function readText(text: string, max: number, line: boolean): string | Wrong {
  if (text.length > max) return tooLong(max);
  if (/\p{Surrogate}/u.test(text)) return NO_UNICODE;
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (line && /[\u0000-\u001f\u007f]/.test(text))
    return {
      type: "string_pattern_mismatch",
      msg: "String should have no control characters",
      ctx: { pattern: "^[^\\u0000-\\u001f\\u007f]*$" },
    };
  return text;
}

/** A whole number; `"60"` and `60.0` pass, `1.5` does not. Without a range any number that is finite passes. */
export function int(range: { ge?: number; le?: number } = {}): Field<number> {
  const { ge: minimum, le: maximum } = range;
  return {
    schema: {
      type: "integer",
      ...(minimum === undefined ? {} : { minimum }),
      ...(maximum === undefined ? {} : { maximum }),
    },
    read: (value) => checkRange(toInt(value), range),
  };
}

/** A number that is finite; text is taken where it is one. */
export function num(): Field<number> {
  return {
    schema: { type: "number" },
    read: (value) => {
      if (typeof value === "number") return Number.isFinite(value) ? value : NOT_FINITE;
      if (typeof value === "boolean") return Number(value);
      if (typeof value !== "string") return { type: "float_type", msg: "Input should be a valid number" };
      const number = Number(value);
      return value.trim() !== "" && Number.isFinite(number)
        ? number
        : { type: "float_parsing", msg: "Input should be a valid number, unable to parse string as a number" };
    },
  };
}

/** Anything that JSON can say. */
export function json(): Field<unknown> {
  return { schema: {}, read: (value) => new Box(value) };
}

/** An object or a list. */
export function objectOrList(): Field<unknown> {
  return {
    schema: { anyOf: [{ type: "object" }, { type: "array" }] },
    read: (value) =>
      typeof value === "object" && value !== null
        ? new Box(value)
        : { type: "dict_type", msg: "Input should be a valid dictionary or list" },
  };
}

/** A truth value; the usual words and 0/1 pass. */
export function bool(): Field<boolean> {
  return {
    schema: { type: "boolean" },
    read: (value) => {
      if (typeof value === "boolean") return value;
      const text = typeof value === "string" || typeof value === "number" ? String(value).toLowerCase() : undefined;
      if (text === undefined) return { type: "bool_type", msg: "Input should be a valid boolean" };
      if (["true", "1", "yes", "on", "t", "y"].includes(text)) return true;
      if (["false", "0", "no", "off", "f", "n"].includes(text)) return false;
      return { type: "bool_parsing", msg: "Input should be a valid boolean, unable to interpret input" };
    },
  };
}

/** One of a few words. */
export function oneOf<T extends string>(values: readonly T[]): Field<T> {
  const expected = `${values
    .slice(0, -1)
    .map((value) => `'${value}'`)
    .join(", ")} or '${values.at(-1)!}'`;
  return {
    schema: { enum: values },
    read: (value) =>
      values.find((each) => each === value) ?? {
        type: "literal_error",
        msg: `Input should be ${expected}`,
        ctx: { expected },
      },
  };
}

/** A list of strings. @param options.most Items at most. @param options.max Characters of each at most. */
export function strings({ most = 1000, max = 256 }: { most?: number; max?: number } = {}): Field<string[]> {
  const item = str({ max });
  return {
    schema: { type: "array", items: item.schema, maxItems: most },
    read: (value) => {
      if (!Array.isArray(value)) return { type: "list_type", msg: "Input should be a valid list" };
      const { length } = value;
      if (length > most)
        return {
          type: "too_long",
          msg: `List should have at most ${most} items, not ${length}`,
          ctx: { field_type: "List", max_length: most, actual_length: length },
        };
      return value.map((each) => item.read(each)).find(isWrong) ?? (value as string[]);
    },
  };
}

/** The field may be left out. */
export function or<T, D>(field: Field<T>, fallback: D): Field<T | D> {
  return { ...field, schema: { ...field.schema, default: fallback }, absent: () => fallback };
}

/** The field may be left out or null; both give null. */
export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    schema: { anyOf: [field.schema, { type: "null" }], default: null },
    read: (value) => (value === null ? null : field.read(value)),
    absent: () => null,
  };
}

/** Reads the JSON body. @throws SchemaError */
export function readBody<S extends Shape>(request: FastifyRequest, shape: S): Read<S> {
  const body = request.body;
  if (body === undefined || body === null)
    throw new SchemaError([{ type: "missing", loc: ["body"], msg: "Field required", input: null }]);
  if (typeof body !== "object" || Array.isArray(body)) {
    throw new SchemaError([
      {
        type: "model_attributes_type",
        loc: ["body"],
        msg: "Input should be a valid dictionary or object to extract fields from",
        input: shown(body),
      },
    ]);
  }
  return readShape(body as Record<string, unknown>, shape, "body", body);
}

/** Reads query parameters; of one that is given twice the last counts. @throws SchemaError */
export function readQuery<S extends Shape>(request: FastifyRequest, shape: S): Read<S> {
  const query = request.query as Record<string, unknown>;
  const last = Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, Array.isArray(value) ? (value as unknown[]).at(-1) : value]),
  );
  return readShape(last, shape, "query", null);
}

function readShape<S extends Shape>(
  given: Record<string, unknown>,
  shape: S,
  place: string,
  missingInput: unknown,
): Read<S> {
  const problems: Problem[] = [];
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape)) {
    const loc = [place, name];
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined) {
      if (field.absent) result[name] = field.absent();
      else problems.push({ type: "missing", loc, msg: "Field required", input: shown(missingInput) });
      continue;
    }
    const read = field.read(value);
    if (isWrong(read))
      problems.push({
        type: read.type,
        loc,
        msg: read.msg,
        input: shown(value),
        ...(read.ctx ? { ctx: read.ctx } : {}),
      });
    else result[name] = read instanceof Box ? read.value : read;
  }
  if (problems.length > 0) throw new SchemaError(problems);
  return result as Read<S>;
}

function toInt(value: unknown): number | Wrong {
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return NOT_FINITE;
    return Number.isInteger(value)
      ? value
      : { type: "int_from_float", msg: "Input should be a valid integer, got a number with a fractional part" };
  }
  if (typeof value !== "string") return { type: "int_type", msg: "Input should be a valid integer" };
  if (value.length > 400)
    return { type: "int_parsing_size", msg: "Unable to parse input string as an integer, exceeded maximum size" };
  return /^\s*[+-]?\d{1,300}(\.0*)?\s*$/.test(value)
    ? Number(value)
    : { type: "int_parsing", msg: "Input should be a valid integer, unable to parse string as an integer" };
}

function checkRange(value: number | Wrong, { ge, le }: { ge?: number; le?: number }): number | Wrong {
  if (typeof value !== "number") return value;
  if (ge !== undefined && value < ge)
    return { type: "greater_than_equal", msg: `Input should be greater than or equal to ${ge}`, ctx: { ge } };
  if (le !== undefined && value > le)
    return { type: "less_than_equal", msg: `Input should be less than or equal to ${le}`, ctx: { le } };
  return value;
}

const NOT_FINITE: Wrong = { type: "finite_number", msg: "Input should be a finite number" };

/** What a refusal shows of a value: all of a small one, the beginning of a long text, a word for what is large. */
function shown(value: unknown): unknown {
  if (value instanceof JsonText) return `${value.bytes.toString("utf8", 1, SHOWN)}…`;
  if (typeof value === "string") return value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value;
  if (typeof value !== "object" || value === null) return value;
  const items = Array.isArray(value) ? value : Object.values(value);
  if (items.length > 50) return Array.isArray(value) ? "[…]" : "{…}";
  return Array.isArray(value)
    ? items.map(nested)
    : Object.fromEntries(Object.entries(value).map(([name, each]) => [name.slice(0, SHOWN), nested(each)]));
}

const SHOWN = 500;
const nested = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !(value instanceof JsonText) && JSON.stringify(value).length > SHOWN
    ? "…"
    : shown(value);

/** A value that may be an object, to be told from a problem. */
class Box {
  constructor(readonly value: unknown) {}
}

function isWrong(value: unknown): value is Wrong {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Box);
}
