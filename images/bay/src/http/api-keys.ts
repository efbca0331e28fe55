import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Config } from "../config/schema";
import { now } from "../ids";
import type { Store } from "../store/store";
import { digest } from "./auth";

export type KeySource = "environment" | "configuration" | "database" | "generated";

/**
 * Sees to it that the store has an API key: BAY_API_KEY, then the configuration's, then one of an earlier start, else a
 * new one that is written to `credentials.json` (0600) in BAY_DATA_DIR. The store gets its digest only. An admin key is
 * BAY_ADMIN_KEY, else the configuration's, else there is none. With `security.revoke_other_keys` all keys of earlier
 * starts go, of the kinds that this start was given.
 * @returns where the API key came from, it itself where this start knows it, and the digests of keys that were given
 * @throws Error when the two keys are one, or a new one cannot be written
 */
export function apiKey(
  config: Config,
  env: NodeJS.ProcessEnv,
  store: Store,
): { key: string | null; source: KeySource; configured: ReadonlySet<string> } {
  const admin = env["BAY_ADMIN_KEY"] || config.security.admin_key;
  const found = findKey(config, env, store);
  if (admin && admin === found.key)
    throw new Error("the admin key (BAY_ADMIN_KEY, security.admin_key) is the API key too; wanted another one");
  const given = found.source === "environment" || found.source === "configuration" ? found.key : null;
  store.atomically(() => {
    if (found.key !== null) save(store, found.key, false);
    if (admin) save(store, admin, true);
    if (config.security.revoke_other_keys) revokeOthers(store, given, admin);
  });
  return { ...found, configured: new Set([given, admin].flatMap((key) => (key ? [hashOf(key)] : []))) };
}

const hashOf = (key: string): string => digest(key).toString("hex");

function save(store: Store, key: string, admin: boolean): void {
  const hash = hashOf(key);
  const known = store.apiKeys().find((each) => each.hash === hash);
  if (!known)
    store.saveKey({ hash, prefix: key.slice(0, 12), owner: "default", createdAt: now(), admin, lastUsedAt: null });
  else if (known.admin !== admin) store.updateKey(hash, { admin });
}

function revokeOthers(store: Store, key: string | null, admin: string | null | undefined): void {
  for (const { hash, admin: isAdmin } of store.apiKeys()) {
    const given = isAdmin ? admin : key;
    if (given && hash !== hashOf(given)) store.deleteKey(hash);
  }
}

function findKey(config: Config, env: NodeJS.ProcessEnv, store: Store): { key: string | null; source: KeySource } {
  const given = env["BAY_API_KEY"];
  if (given) return { key: given, source: "environment" };
  if (config.security.api_key) return { key: config.security.api_key, source: "configuration" };
  if (store.apiKeys().some(({ admin }) => !admin)) return { key: null, source: "database" };
  return { key: generateKey(config, env), source: "generated" };
}

function generateKey(config: Config, env: NodeJS.ProcessEnv): string {
  const key = `sk-bay-${randomBytes(32).toString("hex")}`;
  const directory = env["BAY_DATA_DIR"] ?? process.cwd();
  const content = {
    api_key: key,
    endpoint: `http://127.0.0.1:${config.server.port}`,
    generated_at: new Date().toISOString(),
  };
  try {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "credentials.json"), JSON.stringify(content, null, 2), { mode: 0o600 });
  } catch (error) {
    throw new Error(
      `no API key is configured and a new one cannot be written to ${directory}: ${(error as Error).message}; set BAY_API_KEY, security.api_key or a writable BAY_DATA_DIR`,
      { cause: error },
    );
  }
  return key;
}
