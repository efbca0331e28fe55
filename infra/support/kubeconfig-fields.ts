/** Is told what is wrong with a field. */
export type Complain = (field: string, found: string, expected: string) => void;
type Field = "text" | "flag" | "base64" | "texts" | "textMap" | "textsMap" | "any" | Shape | readonly [Shape];
/** The fields of a mapping, each with its type. */
export interface Shape {
  readonly [key: string]: Field;
}

const EXTENSIONS = [{ name: "text", extension: "any" }] as const;
export const CONTEXT: Shape = { cluster: "text", user: "text", namespace: "text", extensions: EXTENSIONS };
export const CLUSTER: Shape = {
  server: "text",
  "tls-server-name": "text",
  "insecure-skip-tls-verify": "flag",
  "certificate-authority": "text",
  "certificate-authority-data": "base64",
  "proxy-url": "text",
  "disable-compression": "flag",
  extensions: EXTENSIONS,
};
const EXEC: Shape = {
  command: "text",
  args: "texts",
  env: [{ name: "text", value: "text" }],
  apiVersion: "text",
  installHint: "text",
  provideClusterInfo: "flag",
  interactiveMode: "text",
};
export const USER: Shape = {
  "client-certificate": "text",
  "client-certificate-data": "base64",
  "client-key": "text",
  "client-key-data": "base64",
  token: "text",
  tokenFile: "text",
  as: "text",
  "as-uid": "text",
  "as-groups": "texts",
  "as-user-extra": "textsMap",
  username: "text",
  password: "text",
  "auth-provider": { name: "text", config: "textMap" },
  exec: EXEC,
  extensions: EXTENSIONS,
};

/**
 * Decodes a mapping field by field, as kubectl does: what is empty is left out, what it does not know is ignored.
 * @param complain is told each field of a wrong type
 */
export function struct(value: unknown, shape: Shape, where: string, complain: Complain): Record<string, unknown> {
  if (isAbsent(value)) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    complain(where, kindOf(value), "a mapping");
    return {};
  }
  const given = fields(value);
  return Object.fromEntries(
    Object.entries(shape).flatMap(([key, field]) => {
      const decoded = decode(given[key], field, `${where}.${key}`, complain);
      return decoded === undefined || decoded === "" || decoded === false ? [] : [[key, decoded] as const];
    }),
  );
}

function decode(value: unknown, field: Field, where: string, complain: Complain): unknown {
  if (isAbsent(value)) return undefined;
  if (typeof field === "object") {
    if (isList(field))
      return filled(
        array(value, where, complain).map((entry, index) => struct(entry, field[0], `${where}[${index}]`, complain)),
      );
    return struct(value, field, where, complain);
  }
  switch (field) {
    case "any":
      return value;
    case "text":
      return textOf(value, where, complain);
    case "flag":
      if (typeof value !== "boolean") complain(where, kindOf(value), "true or false");
      return value;
    case "base64": {
      const text = (textOf(value, where, complain) ?? "").replace(/[\r\n]/g, "");
      if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
        complain(where, "text that is not base64", "base64");
      return text;
    }
    case "texts":
      return filled(
        array(value, where, complain).map((entry, index) => textOf(entry, `${where}[${index}]`, complain) ?? ""),
      );
    case "textMap":
      return mapOf(value, where, complain, (entry, at) => textOf(entry, at, complain) ?? "");
    case "textsMap":
      return mapOf(value, where, complain, (entry, at) =>
        array(entry, at, complain).map((text, index) => textOf(text, `${at}[${index}]`, complain) ?? ""),
      );
  }
}

function isList(field: Shape | readonly [Shape]): field is readonly [Shape] {
  return Array.isArray(field);
}

function mapOf<T>(
  value: unknown,
  where: string,
  complain: Complain,
  each: (entry: unknown, where: string) => T,
): Record<string, T> | undefined {
  if (typeof value !== "object" || Array.isArray(value)) {
    complain(where, kindOf(value), "a mapping");
    return undefined;
  }
  return Object.fromEntries(Object.entries(fields(value)).map(([key, entry]) => [key, each(entry, `${where}.${key}`)]));
}

/** The entries of a list; none where it is absent. */
export function array(value: unknown, where: string, complain: Complain): unknown[] {
  if (isAbsent(value)) return [];
  if (!Array.isArray(value)) {
    complain(where, kindOf(value), "a list");
    return [];
  }
  return value;
}

/** The text of a scalar; numbers and booleans must be quoted to be text. */
export function textOf(value: unknown, where: string, complain: Complain): string | undefined {
  if (isAbsent(value)) return undefined;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (typeof value === "string") return value;
  complain(where, kindOf(value), "text; put it in quotes");
  return undefined;
}

/** The entries of a mapping; none where it is something else. */
export function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function filled<T>(list: T[]): T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

/** What a value is, without the value: it may be a secret. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a mapping" : `a ${typeof value}`;
}
