import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import path from "node:path";
import type { Config } from "../config/schema";
import { BayError } from "../errors";

/** Tells who a request is from. Keys are kept as SHA-256 only. */
export class Auth {
  private readonly keys: Buffer[];

  constructor(keys: string[], private readonly allowAnonymous: boolean) {
    this.keys = keys.map(digest);
  }

  /** The owner that a request acts for. @throws BayError unauthorized */
  ownerOf(headers: IncomingHttpHeaders): string {
    const { authorization } = headers;
    if (authorization?.startsWith("Bearer ")) {
      const given = digest(authorization.slice("Bearer ".length));
      if (this.keys.filter((key) => timingSafeEqual(key, given)).length > 0) return "default";
      throw new BayError("unauthorized", "the API key is not known");
    }
    if (!this.allowAnonymous) throw new BayError("unauthorized", "wanted the header Authorization: Bearer KEY");
    const owner = headers["x-owner"];
    return (Array.isArray(owner) ? owner[0] : owner) || "default";
  }
}

/**
 * The API key to start with: BAY_API_KEY, then the configuration's, else a new one that is written to
 * `credentials.json` (0600) in BAY_DATA_DIR.
 */
export function apiKey(config: Config, env: NodeJS.ProcessEnv): { key: string; source: "environment" | "configuration" | "generated" } {
  const given = env["BAY_API_KEY"];
  if (given) return { key: given, source: "environment" };
  if (config.security.api_key) return { key: config.security.api_key, source: "configuration" };
  const key = `sk-bay-${randomBytes(32).toString("hex")}`;
  const directory = env["BAY_DATA_DIR"] ?? process.cwd();
  const content = { api_key: key, endpoint: `http://127.0.0.1:${config.server.port}`, generated_at: new Date().toISOString() };
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "credentials.json"), JSON.stringify(content, null, 2), { mode: 0o600 });
  } catch (error) {
    throw new Error(`no API key is configured and a new one cannot be written to ${directory}: ${(error as Error).message}; set BAY_API_KEY, security.api_key or a writable BAY_DATA_DIR`, { cause: error });
  }
  return { key, source: "generated" };
}

const digest = (key: string): Buffer => createHash("sha256").update(key, "utf8").digest();
