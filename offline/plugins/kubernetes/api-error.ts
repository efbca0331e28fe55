/** What the API server, or the way to it, answered instead of the object. */
import type { ValueMap } from "../rpc/values";
import { textAt } from "./objects";

/** An answer of the API server that is not success. The message is the server's own. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
    readonly body?: ValueMap,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Made of a `Status` object, or of any other body. */
  static of(code: number, body: ValueMap | undefined, text: string): ApiError {
    return new ApiError(
      code,
      textAt(body, "reason"),
      textAt(body, "message") || text.trim() || `the API server answered ${code}`,
      body,
    );
  }

  get notFound(): boolean {
    return this.code === 404;
  }
  get alreadyExists(): boolean {
    return this.reason === "AlreadyExists";
  }
  get conflict(): boolean {
    return this.reason === "Conflict";
  }
  get forbidden(): boolean {
    return this.code === 403;
  }

  /** Whether the object is refused only because its namespace is not there. */
  get namespaceMissing(): boolean {
    return this.notFound && /^namespaces? ".*" not found$/.test(this.message);
  }

  /**
   * Whether a pod is refused only because its service account is not there; a new namespace gets its own a moment
   * later.
   */
  get serviceAccountMissing(): boolean {
    return this.forbidden && /error looking up service account .* not found/.test(this.message);
  }

  /** Whether the server cannot try out this request. */
  get dryRunRefused(): boolean {
    return this.code === 400 && this.message.includes("dry run");
  }
}

/** No API server could be asked. */
export class UnreachableError extends Error {
  constructor(
    readonly server: string,
    cause: unknown,
  ) {
    super(`${server}: ${cause instanceof Error ? cause.message || cause.name : String(cause)}`, { cause });
    this.name = "UnreachableError";
  }
}

/** The API server knows no resource of this kind. */
export class UnknownKindError extends Error {
  constructor(apiVersion: string, kind: string) {
    super(`no matches for kind "${kind}" in version "${apiVersion}"`);
    this.name = "UnknownKindError";
  }
}
