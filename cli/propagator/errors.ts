import { STATUS_CODES } from "node:http";

/** What a refusal said, whichever of the known forms its body had. */
export interface Refusal {
  message: string;
  /** Readable reason, e.g. `pod_not_found`; only a local propagator gives it. */
  reason?: string;
  /** Cedana's number of the error. */
  cedanaErrorCode?: number;
}

/** The propagator answered with another status than 200, or not at all. Never holds the token. */
export class PropagatorError extends Error {
  /**
   * @param call e.g. `POST /v2/restore/pod` @param status 0 when there was no answer @param body as it came, the token
   *   blotted out
   */
  constructor(
    readonly call: string,
    readonly status: number,
    readonly body: string,
    readonly refusal: Refusal,
  ) {
    const reason = refusal.reason ?? refusal.cedanaErrorCode;
    super(
      status === 0
        ? `${call} had no answer: ${refusal.message}`
        : `${call} answered ${status}${reason === undefined ? "" : ` (${reason})`}: ${refusal.message}`,
    );
    this.name = "PropagatorError";
  }

  get reason(): string | undefined {
    return this.refusal.reason;
  }

  /** Whether a later try may do better: no answer, a gateway's or a server's fault, too many calls. */
  get mayPass(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Reads a refusal: `{message, cedana_error_code}`, `{code, message, details}`, or a gateway's plain text; without a
 * message it is the status' own text.
 */
export function readRefusal(status: number, body: string): Refusal {
  const parsed = object(body);
  if (!parsed) return { message: body.trim() === "" ? statusText(status) : body.trim().slice(0, 500) };
  const { message, cedana_error_code: cedana, code, details } = parsed;
  const more =
    details === undefined || details === null || typeof code !== "string"
      ? ""
      : ` (${typeof details === "string" ? details : JSON.stringify(details)})`;
  return {
    message: `${typeof message === "string" && message !== "" ? message : statusText(status)}${more}`,
    // ApiError's code is the HTTP status again.
    ...(typeof code === "string" && !/^\d+$/.test(code) ? { reason: code } : {}),
    ...(typeof cedana === "number" ? { cedanaErrorCode: cedana } : {}),
  };
}

function statusText(status: number): string {
  return STATUS_CODES[status] ?? `status ${status}`;
}

function object(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
