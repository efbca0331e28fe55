/** A file operation that was refused; `status` is the HTTP status of the endpoint. */
export class WorkspaceError extends Error {
  constructor(
    readonly status: 400 | 403 | 404 | 413 | 500,
    message: string,
  ) {
    super(message);
  }
}

/** What the system's codes mean to a caller. Everything else is a 500 by its code. */
const MEANINGS: Record<string, [status: WorkspaceError["status"], meaning: string]> = {
  ENOENT: [404, "not found"],
  ENOTDIR: [404, "not found: a part of the path is a file"],
  ELOOP: [400, "too many symbolic links, or changed while it was used"],
  ENAMETOOLONG: [400, "a name in the path is too long"],
  EISDIR: [400, "is a directory"],
  ENXIO: [400, "not a file"],
  ENOSPC: [500, "no_space_left: the volume is full"],
  EDQUOT: [500, "no_space_left: the quota is used up"],
  EACCES: [500, "permission denied"],
  EPERM: [500, "permission denied"],
};

/** Tells a failure in the caller's words: the path that was asked for, never the one that was used inside. */
export function explained(error: unknown, requested: string): WorkspaceError {
  if (error instanceof WorkspaceError) return error;
  const { code } = error as NodeJS.ErrnoException;
  const [status, meaning] = MEANINGS[code ?? ""] ?? [500, code ?? (error as Error).message];
  return new WorkspaceError(
    status,
    `${requested.length > 300 ? `${requested.slice(0, 300)}…` : requested}: ${meaning}`,
  );
}
