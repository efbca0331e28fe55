import type { FastifyRequest } from "fastify";

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

/** A string; other types are not converted. */
export function str(): Field<string> {
  return { schema: { type: "string" }, read: (value) => (typeof value === "string" ? value : { type: "string_type", msg: "Input should be a valid string" }) };
}

/** A whole number; `"60"` and `60.0` pass, `1.5` does not. */
export function int(range: { ge?: number; le?: number } = {}): Field<number> {
  const { ge: minimum, le: maximum } = range;
  return { schema: { type: "integer", ...(minimum === undefined ? {} : { minimum }), ...(maximum === undefined ? {} : { maximum }) }, read: (value) => checkRange(toInt(value), range) };
}

/** A number; text is taken where it is one. */
export function num(): Field<number> {
  return {
    schema: { type: "number" },
    read: (value) => {
      if (typeof value === "number" || typeof value === "boolean") return Number(value);
      if (typeof value !== "string") return { type: "float_type", msg: "Input should be a valid number" };
      const number = Number(value);
      return value.trim() !== "" && Number.isFinite(number) ? number : { type: "float_parsing", msg: "Input should be a valid number, unable to parse string as a number" };
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
    read: (value) => (typeof value === "object" && value !== null ? new Box(value) : { type: "dict_type", msg: "Input should be a valid dictionary or list" }),
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
  const expected = `${values.slice(0, -1).map((value) => `'${value}'`).join(", ")} or '${values.at(-1)!}'`;
  return {
    schema: { enum: values },
    read: (value) => values.find((each) => each === value) ?? { type: "literal_error", msg: `Input should be ${expected}`, ctx: { expected } },
  };
}

/** A list of strings. */
export function strings(): Field<string[]> {
  return {
    schema: { type: "array", items: { type: "string" } },
    read: (value) => {
      if (!Array.isArray(value)) return { type: "list_type", msg: "Input should be a valid list" };
      return value.every((each) => typeof each === "string") ? value : { type: "string_type", msg: "Input should be a valid string" };
    },
  };
}

/** The field may be left out. */
export function or<T, D>(field: Field<T>, fallback: D): Field<T | D> {
  return { ...field, schema: { ...field.schema, default: fallback }, absent: () => fallback };
}

/** The field may be left out or null; both give null. */
export function nullable<T>(field: Field<T>): Field<T | null> {
  return { schema: { anyOf: [field.schema, { type: "null" }], default: null }, read: (value) => (value === null ? null : field.read(value)), absent: () => null };
}

/** Reads the JSON body. @throws SchemaError */
export function readBody<S extends Shape>(request: FastifyRequest, shape: S): Read<S> {
  const body = request.body;
  if (body === undefined || body === null) throw new SchemaError([{ type: "missing", loc: ["body"], msg: "Field required", input: null }]);
  if (typeof body !== "object" || Array.isArray(body)) {
    throw new SchemaError([{ type: "model_attributes_type", loc: ["body"], msg: "Input should be a valid dictionary or object to extract fields from", input: body }]);
  }
  return readShape(body as Record<string, unknown>, shape, "body", body);
}

/** Reads query parameters; of one that is given twice the last counts. @throws SchemaError */
export function readQuery<S extends Shape>(request: FastifyRequest, shape: S): Read<S> {
  const query = request.query as Record<string, unknown>;
  const last = Object.fromEntries(Object.entries(query).map(([name, value]) => [name, Array.isArray(value) ? (value as unknown[]).at(-1) : value]));
  return readShape(last, shape, "query", null);
}

function readShape<S extends Shape>(given: Record<string, unknown>, shape: S, place: string, missingInput: unknown): Read<S> {
  const problems: Problem[] = [];
  const result: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape)) {
    const loc = [place, name];
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined) {
      if (field.absent) result[name] = field.absent();
      else problems.push({ type: "missing", loc, msg: "Field required", input: missingInput });
      continue;
    }
    const read = field.read(value);
    if (isWrong(read)) problems.push({ type: read.type, loc, msg: read.msg, input: value, ...(read.ctx ? { ctx: read.ctx } : {}) });
    else result[name] = read instanceof Box ? read.value : read;
  }
  if (problems.length > 0) throw new SchemaError(problems);
  return result as Read<S>;
}

function toInt(value: unknown): number | Wrong {
  if (typeof value === "boolean") return Number(value);
  if (typeof value === "number") {
    return Number.isInteger(value) ? value : { type: "int_from_float", msg: "Input should be a valid integer, got a number with a fractional part" };
  }
  if (typeof value !== "string") return { type: "int_type", msg: "Input should be a valid integer" };
  return /^\s*[+-]?\d+(\.0*)?\s*$/.test(value) ? Number(value) : { type: "int_parsing", msg: "Input should be a valid integer, unable to parse string as an integer" };
}

function checkRange(value: number | Wrong, { ge, le }: { ge?: number; le?: number }): number | Wrong {
  if (typeof value !== "number") return value;
  if (ge !== undefined && value < ge) return { type: "greater_than_equal", msg: `Input should be greater than or equal to ${ge}`, ctx: { ge } };
  if (le !== undefined && value > le) return { type: "less_than_equal", msg: `Input should be less than or equal to ${le}`, ctx: { le } };
  return value;
}

/** A value that may be an object, to be told from a problem. */
class Box {
  constructor(readonly value: unknown) {}
}

function isWrong(value: unknown): value is Wrong {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Box);
}
