import { createHash, createHmac, randomBytes } from "node:crypto";
import type { Store } from "../store/store";

/** Name of the setting that holds a key which this Bay made. */
const SETTING = "session_key";
/** Fewer characters are no key that somebody cannot guess. */
const SHORTEST = 32;

/**
 * The tokens by which runtimes know Bay: one for each session, made from its id and a key that only Bay has. A pod is
 * given the token's digest, so that what its user reads there opens nothing, least of all another sandbox.
 */
export class SessionTokens {
  constructor(private readonly key: string) {}

  /** The token of a session: the same after a restart, and in a pod that was restored from a checkpoint. */
  token(sessionId: string): string {
    return createHmac("sha256", this.key).update(`ship${sessionId}`, "utf8").digest("base64url");
  }

  /** SHA-256 of a session's token, in hexadecimal: what its pod is given. */
  verifier(sessionId: string): string {
    return createHash("sha256").update(this.token(sessionId), "utf8").digest("hex");
  }
}

/**
 * Returns the key of all tokens: BAY_SESSION_KEY, else one of an earlier start, else a new one that the database keeps.
 * @throws Error when the variable has fewer than 32 characters
 */
export function sessionKey(env: NodeJS.ProcessEnv, store: Store): string {
  const given = env["BAY_SESSION_KEY"];
  if (given) {
    if (given.length < SHORTEST)
      throw new Error(
        `BAY_SESSION_KEY has ${given.length} characters; expected ${SHORTEST} or more, for example of openssl rand -hex 32`,
      );
    return given;
  }
  const kept = store.setting(SETTING);
  if (kept !== undefined) return kept;
  const made = randomBytes(32).toString("base64url");
  store.saveSetting(SETTING, made);
  return made;
}
