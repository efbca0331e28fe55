import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import path from "node:path";
import type { Config } from "../config/schema";
import { BayError } from "../errors";
import { now } from "../ids";
import type { Store } from "../store/store";

/** Tells who a request is from: every key that the store has is good, also those of earlier starts. */
export class Auth {
  private readonly keys: { hash: Buffer; owner: string }[];

  constructor(store: Store, private readonly allowAnonymous: boolean) {
    this.keys = store.apiKeys().map(({ hash, owner }) => ({ hash: Buffer.from(hash, "hex"), owner }));
  }

  /** The owner that a request acts for. @throws BayError unauthorized */
  ownerOf(headers: IncomingHttpHeaders): string {
    const { authorization } = headers;
    if (authorization?.startsWith("Bearer ")) {
      const given = digest(authorization.slice("Bearer ".length));
      const [known] = this.keys.filter(({ hash }) => timingSafeEqual(hash, given));
      if (known) return known.owner;
      throw new BayError("unauthorized", "the API key is not known");
    }
    if (!this.allowAnonymous) throw new BayError("unauthorized", "wanted the header Authorization: Bearer KEY");
    const owner = headers["x-owner"];
    return (Array.isArray(owner) ? owner[0] : owner) || "default";
  }
}

export type KeySource = "environment" | "configuration" | "database" | "generated";

/**
 * Sees to it that the store has an API key: BAY_API_KEY, then the configuration's, then one of an earlier start, else a
 * new one that is written to `credentials.json` (0600) in BAY_DATA_DIR. The store gets its digest only.
 * @returns where it came from, and the key where this start knows it
 */
export function apiKey(config: Config, env: NodeJS.ProcessEnv, store: Store): { key: string | null; source: KeySource } {
  const found = findKey(config, env, store);
  if (found.key !== null) {
    const hash = digest(found.key).toString("hex");
    if (!store.apiKeys().some((known) => known.hash === hash)) store.saveKey({ hash, prefix: found.key.slice(0, 12), owner: "default", createdAt: now() });
  }
  return found;
}

function findKey(config: Config, env: NodeJS.ProcessEnv, store: Store): { key: string | null; source: KeySource } {
  const given = env["BAY_API_KEY"];
  if (given) return { key: given, source: "environment" };
  if (config.security.api_key) return { key: config.security.api_key, source: "configuration" };
  if (store.apiKeys().length > 0) return { key: null, source: "database" };
  return { key: generateKey(config, env), source: "generated" };
}

function generateKey(config: Config, env: NodeJS.ProcessEnv): string {
  const key = `sk-bay-${randomBytes(32).toString("hex")}`;
  const directory = env["BAY_DATA_DIR"] ?? process.cwd();
  const content = { api_key: key, endpoint: `http://127.0.0.1:${config.server.port}`, generated_at: new Date().toISOString() };
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "credentials.json"), JSON.stringify(content, null, 2), { mode: 0o600 });
  } catch (error) {
    throw new Error(`no API key is configured and a new one cannot be written to ${directory}: ${(error as Error).message}; set BAY_API_KEY, security.api_key or a writable BAY_DATA_DIR`, { cause: error });
  }
  return key;
}

const digest = (key: string): Buffer => createHash("sha256").update(key, "utf8").digest();
