import { createHash } from "node:crypto";
import type { Config } from "../config/schema";
import { BayError, overLimit } from "../errors";
import { now } from "../ids";
import type { Store } from "../store/store";

/** An answer that can be given again. */
export interface Answer {
  status: number;
  body: object;
}

/** A request under a key: what it does is done once. */
export interface KeyedRequest {
  owner: string;
  /** Undefined or empty: the request has no key. */
  key: string | undefined;
  method: string;
  path: string;
  /** The body as it was understood, defaults filled in. */
  body: object;
}

const KEY = /^[A-Za-z0-9_-]{1,128}$/;

/** Gives repeated requests the first answer. */
export class Idempotency {
  private readonly inFlight = new Map<string, { fingerprint: string; answer: Promise<Answer> }>();

  constructor(
    private readonly store: Store,
    private readonly config: Config["idempotency"],
  ) {}

  /**
   * Runs `work`, or gives the answer that a request of the same key got; requests that meet wait for the first one.
   * Only successes are kept.
   * @throws BayError conflict for a bad key, or a key used for something else
   */
  async run(request: KeyedRequest, work: () => Promise<Answer>): Promise<Answer> {
    const { owner, key } = request;
    if (!this.config.enabled || !key) return work();
    if (!KEY.test(key)) throw misuse(key, "wanted 1 to 128 of the characters A-Z a-z 0-9 - _");
    const fingerprint = fingerprintOf(request);
    const slot = JSON.stringify([owner, key]);
    for (;;) {
      const saved = this.store.answer(owner, key, now());
      if (saved) {
        if (saved.fingerprint !== fingerprint) throw reused(key);
        return { status: saved.status, body: JSON.parse(saved.body) as object };
      }
      const first = this.inFlight.get(slot);
      if (!first) break;
      if (first.fingerprint !== fingerprint) throw reused(key);
      // When the first one fails nothing was kept, and this request has its own try.
      await first.answer.catch(() => undefined);
    }
    // Looked at before anything is done: the answer could not be kept.
    if (this.store.full)
      throw overLimit("the database is full: no answer can be kept under a key", { reason: "database_full" });
    const answer = work();
    this.inFlight.set(slot, { fingerprint, answer });
    try {
      const { status, body } = await answer;
      this.store.saveAnswer({
        owner,
        key,
        fingerprint,
        status,
        body: JSON.stringify(body),
        expiresAt: now() + this.config.ttl_hours * 3_600_000,
      });
      return { status, body };
    } finally {
      this.inFlight.delete(slot);
    }
  }
}

function fingerprintOf({ method, path, body }: KeyedRequest): string {
  const sorted = Object.fromEntries(Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash("sha256")
    .update(JSON.stringify([method, path, sorted]))
    .digest("hex");
}

const reused = (key: string): BayError =>
  misuse(key, "the key was used for a request with another method, path or body");
function misuse(key: string, hint: string): BayError {
  return new BayError("conflict", `Idempotency-Key cannot be used: ${hint}`, { key, hint });
}
