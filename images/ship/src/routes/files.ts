import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ShipContext } from "../context";
import { WorkspaceError, type Workspace } from "../workspace";

const text = { type: "string" } as const;
const body = (properties: Record<string, object>, ...required: string[]) => ({ schema: { body: { type: "object", required, properties } } });
const lineNumber = { type: "integer", nullable: true };

/** File operations of the workspace. */
export function fileRoutes(app: FastifyInstance, { workspace }: ShipContext): void {
  app.post<{ Body: { path: string; offset?: number | null; limit?: number | null } }>(
    "/fs/read_file", body({ path: text, offset: lineNumber, limit: lineNumber }, "path"),
    (request) => workspace.readText(request.body.path, request.body.offset, request.body.limit));

  app.post<{ Body: { path: string; content: string; mode: "w" | "a" } }>(
    "/fs/write_file", body({ path: text, content: text, mode: { enum: ["w", "a"], default: "w" } }, "path", "content"),
    async (request) => {
      const { path, content, mode } = request.body;
      const file = await workspace.writeText(path, content, mode);
      return { success: true, message: `wrote ${path}`, path: file, size: Buffer.byteLength(content) };
    });

  app.post<{ Body: { path: string } }>("/fs/delete_file", body({ path: text }, "path"), async (request) => {
    const file = await workspace.remove(request.body.path);
    return { success: true, message: `deleted ${request.body.path}`, path: file };
  });

  app.post<{ Body: { path: string; show_hidden: boolean } }>(
    "/fs/list_dir", body({ path: { ...text, default: "." }, show_hidden: { type: "boolean", default: false } }),
    (request) => workspace.list(request.body.path, request.body.show_hidden));

  app.post("/fs/upload", (request) => upload(request, workspace));

  app.get<{ Querystring: { file_path: string } }>(
    "/fs/download", { schema: { querystring: { type: "object", required: ["file_path"], properties: { file_path: text } } } },
    async (request, reply) => {
      const file = await workspace.existingFile(request.query.file_path);
      const { size } = await stat(file);
      // The length was promised: a file that grows meanwhile must not write past it.
      const content = size > 0 ? createReadStream(file, { end: size - 1 }) : "";
      return reply.type("application/octet-stream").header("content-length", size).send(content);
    });
}

/** Takes `file_path` before `file`, so that the content can be written while it arrives. */
async function upload(request: FastifyRequest, workspace: Workspace): Promise<object> {
  const part = await request.file();
  const named = part?.fields["file_path"];
  if (!part || !named || Array.isArray(named) || named.type !== "field") {
    part?.file.resume();
    throw new WorkspaceError(400, "wanted a multipart body with the fields file_path and file, in this order");
  }
  const wanted = String(named.value);
  try {
    const { file, size } = await workspace.store(wanted, part.file);
    return { success: true, message: `stored ${wanted}`, file_path: file, size, error: null };
  } catch (error) {
    part.file.resume();
    if (error instanceof WorkspaceError && error.status === 403) throw error;
    return { success: false, message: "the upload failed", file_path: wanted, size: 0, error: (error as Error).message };
  }
}
