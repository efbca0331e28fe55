import { isAscii } from "node:buffer";
import { z } from "zod";
import { JsonError, type JsonLimits, JsonText, parseJson } from "../../../common/src/json";
import { RuntimeAnswerError } from "./client";

/** How an answer of a runtime is read. */
export interface RuntimeAnswer<T> {
  /** Bytes that are read at most. */
  maxBytes: number;
  /** Bytes of memory that the answer takes until the client has it. */
  memoryFor(bytes: Buffer): number;
  /** @throws RuntimeAnswerError when it is not of the form wanted */
  read(bytes: Buffer): T;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** Memory of a value of a list. */
const VALUE_BYTES = 150;

const safeInteger = z.number().refine(Number.isSafeInteger, "expected a whole number");
const length = safeInteger.nonnegative();
const maybe = <T>(type: z.ZodType<T>) => type.nullish().transform((value) => value ?? null);
const shortText = z.unknown().transform((value) => (typeof value === "string" ? value.slice(0, 200) : null));

/** That a runtime is well, as it says. */
export const HEALTH = small(z.object({ status: shortText }));
/** What a runtime says of itself. */
export const META = small(
  z
    .object({
      runtime: z
        .object({ version: shortText })
        .nullish()
        .transform((runtime) => runtime?.version ?? null),
      capabilities: z
        .record(z.string().max(100), z.unknown())
        .nullish()
        .transform((found) => Object.keys(found ?? {}).slice(0, 100)),
    })
    .transform(({ runtime: version, capabilities }) => ({ version, capabilities })),
);
/** That something was done. */
export const DONE = small(z.object({}));
export const UPLOADED = small(z.object({ success: z.boolean(), size: maybe(length), error: maybe(z.string()) }));

/** Answers that may be large. @param maxBytes limit of the answer */
export function largeAnswers(maxBytes: number) {
  return {
    python: texts(
      maxBytes,
      z.object({
        success: z.boolean(),
        execution_count: maybe(safeInteger),
        error: maybe(z.string()),
        output: z.object({ text: z.string(), images: z.array(z.record(z.string().max(100), z.string())).max(1000) }),
      }),
    ),
    shell: texts(
      maxBytes,
      z.object({
        success: z.boolean(),
        return_code: maybe(
          z
            .number()
            .int()
            .min(-(2 ** 31))
            .max(2 ** 32),
        ),
        stdout: z.string(),
        stderr: z.string(),
        error: maybe(z.string()),
      }),
    ),
    /** A file's text. A long one stays as it came. */
    file: answer(
      z.object({ content: z.union([z.string(), z.instanceof(JsonText)]) }),
      maxBytes,
      { depth: 8, values: 100, bytes: 256 * KIB },
      ({ length: bytes }) => bytes,
    ),
    list: answer(
      z.object({
        files: z.array(
          z.object({
            name: z.string().max(4096),
            path: z.string().max(8192),
            is_file: z.boolean(),
            is_dir: z.boolean(),
            size: maybe(length),
            modified_time: z.number(),
          }),
        ),
      }),
      Math.min(maxBytes, 32 * MIB),
      { depth: 8, values: 650_000, bytes: 32 * MIB },
      ({ length: bytes }) => bytes * 5 + Math.min(650_000, bytes / 8) * VALUE_BYTES,
    ),
  };
}

/**
 * A few values and long texts. Text is in memory as bytes, as characters of one byte or two, and once more as it is
 * sent.
 */
function texts<T>(maxBytes: number, schema: z.ZodType<T>): RuntimeAnswer<T> {
  return answer(schema, maxBytes, { depth: 16, values: 20_000, bytes: maxBytes }, (bytes) =>
    bytes.length < 64 * KIB ? bytes.length : bytes.length * (isAscii(bytes) ? 3 : 5),
  );
}

function small<T>(schema: z.ZodType<T>): RuntimeAnswer<T> {
  return answer(schema, 256 * KIB, { depth: 16, values: 5_000, bytes: 256 * KIB }, ({ length: bytes }) => bytes);
}

function answer<T>(
  schema: z.ZodType<T>,
  maxBytes: number,
  limits: JsonLimits,
  memoryFor: (bytes: Buffer) => number,
): RuntimeAnswer<T> {
  return { maxBytes, memoryFor, read: (bytes) => read(bytes, schema, limits) };
}

function read<T>(bytes: Buffer, schema: z.ZodType<T>, limits: JsonLimits): T {
  let value: unknown;
  try {
    ({ value } = parseJson(bytes, limits));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    if (error.problem !== "syntax" && error.problem !== "utf8")
      throw new RuntimeAnswerError(502, `the runtime's answer has ${error.message}`);
    throw new RuntimeAnswerError(
      502,
      `the runtime answered something that is no JSON: ${bytes.toString("utf8", 0, 200)}`,
    );
  }
  const result = schema.safeParse(unwrapped(value, schema));
  if (result.success) return result.data;
  const [first] = result.error.issues;
  throw new RuntimeAnswerError(
    502,
    `the runtime's answer is not of the form expected: ${first!.path.slice(0, 5).join(".").slice(0, 100)}: ${first!.message.slice(0, 200)}`,
  );
}

/** Long texts are decoded where a schema wants strings; those that it does not name are left out. */
function unwrapped(value: unknown, schema: z.ZodType): unknown {
  const { shape } = schema as unknown as { shape?: Record<string, z.ZodType> };
  if (typeof value !== "object" || value === null || Array.isArray(value) || !shape) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => Object.hasOwn(shape, name))
      .map(([name, each]) => {
        const wantsText = each instanceof JsonText && !shape[name]!.safeParse(each).success;
        return [name, wantsText ? each.toString() : each];
      }),
  );
}
