/** Error codes of the API with their HTTP status. */
const STATUS = {
  not_found: 404,
  file_not_found: 404,
  unauthorized: 401,
  forbidden: 403,
  validation_error: 400,
  invalid_path: 400,
  capability_not_supported: 400,
  conflict: 409,
  sandbox_expired: 409,
  sandbox_ttl_infinite: 409,
  ship_error: 502,
  session_not_ready: 503,
  timeout: 504,
  quota_exceeded: 429,
  internal_error: 500,
  payload_too_large: 413,
} as const;
export type ErrorCode = keyof typeof STATUS;

/** An error that the client sees in the envelope `{error: {code, message, request_id, details?}}`. */
export class BayError extends Error {
  readonly status: number;
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
    this.status = STATUS[code];
  }
}

/** The thing does not exist for this owner. */
export const notFound = (kind: string, id: string): BayError =>
  new BayError("not_found", `${kind} not found: ${id.slice(0, 200)}`);

/** A limit of this server is reached; the caller may come back. */
export function overLimit(message: string, details: Record<string, unknown>): BayError {
  return new BayError("quota_exceeded", message, { retry_after_ms: RETRY_AFTER_MS, ...details });
}

/** Milliseconds after which a call that was one too many may be tried again. */
export const RETRY_AFTER_MS = 1_000;

/** Body of an error answer. */
export function envelope(error: BayError, requestId: string): object {
  const details = Object.keys(error.details).length > 0 ? { details: error.details } : {};
  return { error: { code: error.code, message: error.message, request_id: requestId, ...details } };
}
