/** Keeping secret texts out of messages. */
import { isMap, OutputValue, Secret, unwrap, type Value } from "../rpc";

/** Shorter texts are not masked: they would hit half of every message and protect nothing. */
const SHORTEST = 4;

/** Every text inside a secret. Of `NAME=value` the value counts by itself too. */
export function secretTexts(value: Value | undefined): string[] {
  if (value instanceof Secret || (value instanceof OutputValue && value.secret)) return texts(unwrap(value));
  if (Array.isArray(value)) return value.flatMap(secretTexts);
  return isMap(value) ? Object.values(value).flatMap(secretTexts) : [];
}

/** The message with every secret replaced. */
export function masked(message: string, secrets: readonly string[]): string {
  return [...secrets]
    .sort((a, b) => b.length - a.length)
    .reduce((text, secret) => text.replaceAll(secret, "[secret]"), message);
}

function texts(value: Value | undefined): string[] {
  if (typeof value === "string")
    return [value, value.slice(value.indexOf("=") + 1)].filter((text) => text.length >= SHORTEST);
  if (Array.isArray(value)) return value.flatMap(texts);
  return isMap(value) ? Object.values(value).flatMap(texts) : [];
}
