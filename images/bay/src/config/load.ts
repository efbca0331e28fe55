import { existsSync, readFileSync } from "node:fs";
import { parse as parseYaml } from "yaml";
import type { z } from "zod";
import { configSchema, type Config } from "./schema";

/** The configuration cannot be used; `problems` names each key, what was found and what is wanted. */
export class ConfigError extends Error {
  constructor(
    readonly file: string | null,
    readonly problems: string[],
  ) {
    super(
      `${file ?? "the environment"}: ${problems.length} problem${problems.length === 1 ? "" : "s"}\n${problems.map((each) => `  - ${each}`).join("\n")}`,
    );
  }
}

/** Where a configuration file is looked for when BAY_CONFIG_FILE is not set; the first that exists is read. */
export const CONFIG_FILES = ["./config.yaml", "/etc/bay/config.yaml"];

/**
 * Reads the configuration: the file's values, then `BAY_` variables (`BAY_DRIVER__K8S__NAMESPACE`) for keys that the
 * file leaves out, then defaults.
 * @throws ConfigError with all problems at once.
 */
export function loadConfig(env: NodeJS.ProcessEnv): { config: Config; file: string | null } {
  const named = env["BAY_CONFIG_FILE"];
  const file = named ? named : (CONFIG_FILES.find((each) => existsSync(each)) ?? null);
  const fromFile = file === null ? {} : readFile(file);
  const merged = merge(configFromEnv(env), fromFile);
  const result = configSchema.safeParse(merged);
  if (result.success) return { config: result.data, file };
  throw new ConfigError(
    file,
    result.error.issues.flatMap((issue) => describe(issue, merged)),
  );
}

/**
 * The part of the configuration that `BAY_` variables give; names are case-blind, `__` nests, JSON gives lists and
 * objects.
 */
export function configFromEnv(env: NodeJS.ProcessEnv): Record<string, unknown> {
  const known = new Set(Object.keys(configSchema.shape));
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!/^bay_/i.test(name) || value === undefined) continue;
    const keys = name.slice(4).toLowerCase().split("__");
    // Kubernetes sets BAY_PORT and the like for a Service named bay; only names of the schema are ours.
    if (!known.has(keys[0]!) || keys.includes("") || keys.includes("__proto__")) continue;
    let at = result;
    for (const key of keys.slice(0, -1)) at = (isObject(at[key]) ? at[key] : (at[key] = {})) as Record<string, unknown>;
    at[keys.at(-1)!] = fromText(value);
  }
  return result;
}

function readFile(file: string): Record<string, unknown> {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(file, "utf8"));
  } catch (error) {
    throw new ConfigError(file, [`cannot be read: ${(error as Error).message.trim()}`]);
  }
  if (content === null || content === undefined) return {};
  if (!isObject(content)) throw new ConfigError(file, ["wanted a mapping at the top level"]);
  return content;
}

function fromText(value: string): unknown {
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value; // the schema says what it wanted instead
  }
}

function merge(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isObject(below) && isObject(value) ? merge(below, value) : value;
  }
  return result;
}

function describe(issue: z.core.$ZodIssue, given: unknown): string[] {
  const where = issue.path.length > 0 ? issue.path.join(".") : "top level";
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `${key}: unknown key; known are ${Object.keys(configSchema.shape).join(", ")}`);
  }
  const seen = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], given);
  const secret = /key|secret|password/i.test(where);
  return [
    `${where}: ${issue.message}${seen === undefined ? "" : `; seen ${secret ? "a value" : JSON.stringify(seen).slice(0, 100)}`}`,
  ];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
