import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ShipContext } from "../context";
import { LIMITS } from "../limits";
import { CHUNK, type Excerpt, type Workspace } from "../workspace";
import { WorkspaceError } from "../workspace-error";

const text = { type: "string" } as const;
const path = { type: "string", maxLength: 8192 } as const;
const flag = { type: "boolean", default: false } as const;
const body = (properties: Record<string, object>, ...required: string[]) => ({
  bodyLimit: LIMITS.json,
  schema: { body: { type: "object", required, properties } },
});
const lineNumber = {
  type: "integer",
  nullable: true,
  minimum: -Number.MAX_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
};
/** Permission bits as a number: 420 is octal 644. */
const permissions = { type: "integer", nullable: true, minimum: 0, maximum: 0o777, default: 0o644 };

interface EditBody {
  path: string;
  old_string: string;
  new_string: string;
  replace_all: boolean;
}

/** File operations of the workspace. */
export function fileRoutes(app: FastifyInstance, { workspace }: ShipContext): void {
  app.post<{ Body: { path: string } & Excerpt }>(
    "/fs/read_file",
    body({ path, encoding: { ...text, nullable: true, maxLength: 64 }, offset: lineNumber, limit: lineNumber }, "path"),
    (request) => workspace.readText(request.body.path, request.body),
  );

  app.post<{ Body: { path: string; content: string; mode: "w" | "a" } }>(
    "/fs/write_file",
    body({ path, content: text, mode: { enum: ["w", "a"], default: "w" } }, "path", "content"),
    (request) => written(workspace, request.body),
  );

  app.post<{ Body: { path: string; content: string; mode: number | null } }>(
    "/fs/create_file",
    body({ path, content: { ...text, default: "" }, mode: permissions }, "path"),
    ({ body: { path, content, mode } }) => written(workspace, { path, content, mode: "w" }, mode ?? 0o644),
  );

  app.post<{ Body: EditBody }>(
    "/fs/edit_file",
    body({ path, old_string: text, new_string: text, replace_all: flag }, "path", "old_string", "new_string"),
    async ({ body: { path, old_string, new_string, replace_all } }) => {
      const edited = await workspace.editText(path, old_string, new_string, replace_all);
      return { success: true, message: `replaced ${edited.replacements} in ${path}`, ...edited };
    },
  );

  app.post<{ Body: { path: string } }>("/fs/delete_file", body({ path }, "path"), async (request) => {
    const file = await workspace.remove(request.body.path);
    return { success: true, message: `deleted ${request.body.path}`, path: file };
  });

  app.post<{ Body: { path: string; show_hidden: boolean } }>(
    "/fs/list_dir",
    body({ path: { ...path, default: "." }, show_hidden: flag }),
    (request) => workspace.list(request.body.path, request.body.show_hidden),
  );

  app.post("/fs/upload", (request) => upload(request, workspace));

  app.get<{ Querystring: { file_path: string } }>(
    "/fs/download",
    { schema: { querystring: { type: "object", required: ["file_path"], properties: { file_path: path } } } },
    async (request, reply) => {
      const { handle, size } = await workspace.openFile(request.query.file_path);
      // The length was promised: a file that grows meanwhile must not write past it.
      const content = handle.createReadStream({ start: 0, end: Math.max(0, size - 1), highWaterMark: CHUNK });
      if (size === 0) content.destroy();
      return reply
        .type("application/octet-stream")
        .header("content-length", size)
        .send(size === 0 ? "" : content);
    },
  );
}

async function written(
  workspace: Workspace,
  { path, content, mode }: { path: string; content: string; mode: "w" | "a" },
  bits?: number,
): Promise<object> {
  const file = await workspace.writeText(path, content, mode, bits);
  return { success: true, message: `wrote ${path}`, path: file, size: Buffer.byteLength(content) };
}

/** Takes `file_path` before `file`, so that the content can be written while it arrives. */
async function upload(request: FastifyRequest, workspace: Workspace): Promise<object> {
  const part = await request.file().catch((error: Error & { statusCode?: number }) => {
    throw new WorkspaceError(
      error.statusCode === 413 ? 413 : 400,
      `the body is no multipart body: ${error.message.slice(0, 200)}`,
    );
  });
  const named = part?.fields["file_path"];
  if (!part || !named || Array.isArray(named) || named.type !== "field") {
    part?.file.resume();
    throw new WorkspaceError(400, "wanted a multipart body with the fields file_path and file, in this order");
  }
  const wanted = String(named.value);
  try {
    const { path, size } = await workspace.store(wanted, part.file);
    return { success: true, message: `stored ${wanted}`, file_path: path, size, error: null };
  } catch (error) {
    part.file.resume();
    if (error instanceof WorkspaceError && error.status === 403) throw error;
    return {
      success: false,
      message: "the upload failed",
      file_path: wanted,
      size: 0,
      error: (error as Error).message,
    };
  }
}
