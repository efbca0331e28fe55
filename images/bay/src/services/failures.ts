import { DriverError } from "../driver/driver";
import { BayError } from "../errors";

/** Milliseconds after which a client may try again. */
export const retryAfterMs = (multi: boolean): number => (multi ? 1500 : 1000);

/** The contract's code for compute that did not start or storage that was not made. */
export function fromDriver(error: unknown, sandboxId: string, multi = false): Error {
  if (!(error instanceof DriverError)) return error instanceof Error ? error : new Error(String(error));
  const details = { sandbox_id: sandboxId, reason: error.failure };
  if (error.failure === "quota") return new BayError("quota_exceeded", error.message, details);
  // It can pass by itself when other sandboxes end: the client is asked to come back.
  if (error.failure === "unschedulable")
    return new BayError("session_not_ready", error.message, { ...details, retry_after_ms: retryAfterMs(multi) });
  return new BayError("internal_error", error.message, details);
}
