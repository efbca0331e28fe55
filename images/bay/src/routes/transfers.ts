import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { PassThrough, type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Multipart } from "@fastify/multipart";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Hold, OverBudget } from "../../../common/src/budget";
import { BayError } from "../errors";
import { type Problem, readQuery, SchemaError, str } from "../http/fields";
import { normalizePath } from "../paths";
import type { Target } from "../services/capabilities";
import type { Services } from "../services/services";
import { type SandboxParams, targetOf } from "./target";

/** A file's bytes; the multipart parser marks those that it cut at the limit. */
type Content = Readable & { truncated?: boolean };

const PATH = { path: str() };
const UPLOAD = { path: { schema: { type: "string" } }, file: { schema: { type: "string", format: "binary" } } };

/** Files as bytes, streamed both ways. */
export function transferRoutes(app: FastifyInstance, services: Services): void {
  app.post<SandboxParams>(
    "/v1/sandboxes/:id/filesystem/upload",
    { config: { multipart: UPLOAD, summary: "Upload a file" } },
    async (request) => {
      const target = targetOf(services, request, "filesystem");
      const { path: stored, size } = await upload(services, target, request);
      return { status: "ok", path: stored, size };
    },
  );

  app.get<SandboxParams>(
    "/v1/sandboxes/:id/filesystem/download",
    { config: { query: PATH, summary: "Download a file" } },
    async (request, reply) => {
      const target = targetOf(services, request, "filesystem");
      const wanted = normalizePath(readQuery(request, PATH).path);
      const content = await services.capabilities.download(target, wanted);
      const length = content.headers["content-length"];
      if (length !== undefined && /^\d{1,15}$/.test(length)) reply.header("content-length", length);
      return reply
        .type("application/octet-stream")
        .header("content-disposition", attachment(path.posix.basename(wanted)))
        .send(content);
    },
  );
}

/**
 * Sends the file on while it arrives when `path` came before it. When the file comes first it is put aside on disk,
 * because a wrong path must not start a pod.
 */
async function upload(
  services: Services,
  target: Target,
  request: FastifyRequest,
): Promise<{ path: string; size: number }> {
  if (!request.isMultipart()) throw new SchemaError([missing("file"), missing("path")]);
  let wanted: string | undefined;
  let aside: string | undefined;
  let size: number | undefined;
  let name = "file";
  const room = services.context.aside.hold(request.owner);
  const send = async (content: Content, to: string): Promise<number> =>
    services.capabilities.upload(target, () => multipartOf(content, to, name));
  try {
    for await (const part of partsOf(request)) {
      if (part.type === "field") {
        if (part.fieldname === "path" && wanted === undefined) wanted = pathOf(part.value);
      } else if (part.fieldname === "file" && size === undefined && aside === undefined) {
        name = part.filename || name;
        if (wanted === undefined) {
          aside = path.join(os.tmpdir(), `bay-upload-${randomUUID()}`);
          await putAside(part.file, aside, room);
          if (part.file.truncated) throw new BayError("payload_too_large", "the file is larger than this server takes");
        } else size = await send(part.file, normalizePath(wanted));
      } else part.file.resume();
    }
    const problems = [
      ...(aside === undefined && size === undefined ? [missing("file")] : []),
      ...(wanted === undefined ? [missing("path")] : []),
    ];
    if (problems.length > 0) throw new SchemaError(problems);
    const to = normalizePath(wanted!);
    return { path: to, size: size ?? (await send(createReadStream(aside!), to)) };
  } finally {
    if (aside) await rm(aside, { force: true });
    room.release();
  }
}

/** The parts of the body. @throws SchemaError for a body that is not what it claims to be */
async function* partsOf(request: FastifyRequest): AsyncGenerator<Multipart> {
  try {
    yield* request.parts();
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 413) throw error;
    throw new SchemaError([
      {
        type: "multipart_invalid",
        loc: ["body"],
        msg: `Input should be a valid multipart body: ${(error as Error).message.slice(0, 200)}`,
        input: null,
      },
    ]);
  }
}

/**
 * Puts a file aside as long as there is room for all of them. @throws OverBudget, BayError validation_error when the
 * client breaks off
 */
async function putAside(content: Content, file: string, room: Hold): Promise<void> {
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        room.grow(chunk.length);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  try {
    await pipeline(content, counted, createWriteStream(file, { flags: "wx", mode: 0o600 }));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof OverBudget || code?.startsWith("E")) throw error;
    throw new BayError("validation_error", `the upload broke off: ${(error as Error).message}`);
  }
}

/** @throws SchemaError */
function pathOf(value: unknown): string {
  const read = str().read(String(value));
  if (typeof read === "string") return read;
  throw new SchemaError([
    {
      type: read.type,
      loc: ["body", "path"],
      msg: read.msg,
      input: String(value).slice(0, 500),
      ...(read.ctx ? { ctx: read.ctx } : {}),
    },
  ]);
}

const missing = (field: string): Problem => ({
  type: "missing",
  loc: ["body", field],
  msg: "Field required",
  input: null,
});

/** The multipart body that Ship takes: the path first. */
function multipartOf(content: Content, to: string, name: string): { content: Readable; type: string } {
  const boundary = `bay-${randomUUID()}`;
  const body = new PassThrough();
  body.write(`--${boundary}\r\ncontent-disposition: form-data; name="file_path"\r\n\r\n${to}\r\n`);
  body.write(
    `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${quotable(name)}"\r\ncontent-type: application/octet-stream\r\n\r\n`,
  );
  content.once("error", (error) => {
    body.destroy(new BayError("validation_error", `the upload broke off: ${error.message}`));
  });
  body.once("close", () => {
    content.resume();
  }); // when the runtime refuses, the rest of the client's body is dropped
  content.once("end", () => {
    // Past the limit the parser ends the part as if it were whole; the runtime must not keep it.
    if (content.truncated) body.destroy(new BayError("payload_too_large", "the file is larger than this server takes"));
    else body.end(`\r\n--${boundary}--\r\n`);
  });
  content.pipe(body, { end: false });
  return { content: body, type: `multipart/form-data; boundary=${boundary}` };
}

/** A name inside quotes of a header. */
function quotable(name: string): string {
  // eslint-disable-next-line no-control-regex -- control characters would end or break the header
  return name.replace(/[\u0000-\u001f\u007f"\\]/g, "_");
}

/** `Content-Disposition` for a file name; other than plain ASCII names get the extended form beside a plain one. */
function attachment(name: string): string {
  const plain = quotable(name).replace(/[^\x20-\x7e]/g, "_");
  const extended =
    plain === name
      ? ""
      : `; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)}`;
  return `attachment; filename="${plain}"${extended}`;
}
