import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { BayError, notFound } from "../errors";
import { now } from "../ids";
import type { KeyRow, Store } from "../store/store";

/** What a route asks of its caller beyond a key or, where that is allowed, none. */
export interface RouteAccess {
  /** Closed to all but admin keys, once there is one. */
  admin?: boolean;
  /** Closed to callers without a key, also where those are allowed. */
  keyed?: boolean;
}

/** A key as an administrator sees it. */
export interface KeyView extends Omit<KeyRow, "hash" | "prefix"> {
  /** First 12 digits of its SHA-256. */
  id: string;
  /** Its first characters, where Bay made it; of others that may be too much. */
  prefix: string | null;
  /** Whether Bay was started with it: then it would be back after a restart, and cannot be revoked. */
  configured: boolean;
}

/** The time of a key's last use is written no more often. */
const USE_MS = 60_000;
const SCHEME = "Bearer ";

/** Tells who a request is from: every key that the store has is good, also those of earlier starts. */
export class Auth {
  private keys: { row: KeyRow; hash: Buffer }[] = [];

  /** @param configured Digests of the keys that this Bay was started with. */
  constructor(
    private readonly store: Store,
    private readonly allowAnonymous: boolean,
    private readonly configured: ReadonlySet<string> = new Set(),
  ) {
    this.read();
  }

  /** The owner that a request acts for. @throws BayError unauthorized, forbidden */
  admit(headers: IncomingHttpHeaders, { admin = false, keyed = false }: RouteAccess): string {
    const key = this.keyOf(headers);
    if (!key && (keyed || !this.allowAnonymous))
      throw new BayError("unauthorized", "wanted the header Authorization: Bearer KEY");
    if (admin && !key?.admin && this.keys.some(({ row }) => row.admin))
      throw new BayError("forbidden", "this route needs the admin key");
    if (key) return key.owner;
    const owner = headers["x-owner"];
    return (Array.isArray(owner) ? owner[0] : owner) || "default";
  }

  /** All keys, oldest first. */
  list(): KeyView[] {
    return this.store.apiKeys().map(({ hash, prefix, ...row }) => ({
      ...row,
      id: hash.slice(0, 12),
      prefix: prefix.startsWith("sk-bay-") ? prefix : null,
      configured: this.configured.has(hash),
    }));
  }

  /** Makes a key worthless at once. @throws BayError not_found, conflict for one that Bay was started with */
  revoke(id: string): void {
    const found = this.store.apiKeys().find(({ hash }) => hash.slice(0, 12) === id);
    if (!found) throw notFound("key", id);
    if (this.configured.has(found.hash)) {
      throw new BayError("conflict", `key ${id} is one that Bay was started with: start Bay with another one first`);
    }
    this.store.deleteKey(found.hash);
    this.read();
  }

  /** @throws BayError unauthorized for a key that is not known */
  private keyOf({ authorization }: IncomingHttpHeaders): KeyRow | undefined {
    if (!authorization?.startsWith(SCHEME)) return undefined;
    const given = digest(authorization.slice(SCHEME.length));
    const [known] = this.keys.filter(({ hash }) => timingSafeEqual(hash, given));
    if (!known) throw new BayError("unauthorized", "the API key is not known");
    this.noteUse(known.row);
    return known.row;
  }

  private noteUse(row: KeyRow): void {
    const at = now();
    if (row.lastUsedAt !== null && at - row.lastUsedAt < USE_MS) return;
    row.lastUsedAt = at;
    this.store.updateKey(row.hash, { lastUsedAt: at });
  }

  private read(): void {
    this.keys = this.store.apiKeys().map((row) => ({ row, hash: Buffer.from(row.hash, "hex") }));
  }
}

/** SHA-256 of a key. */
export function digest(key: string): Buffer {
  return createHash("sha256").update(key, "utf8").digest();
}
