import type { FastifyInstance } from "fastify";
import { Readable } from "node:stream";
import { joinJson } from "../../../common/src/json";
import { content, or, readBody, readQuery, str } from "../http/fields";
import { normalizePath } from "../paths";
import type { Services } from "../services/services";
import { type SandboxParams, targetOf } from "./target";

const PATH = { path: str() };
const FILE = { path: str(), content: content() };
const DIRECTORY = { path: or(str(), ".") };

/** Text files and directories of a workspace. */
export function fileRoutes(app: FastifyInstance, services: Services): void {
  const { capabilities } = services;
  const files = "/v1/sandboxes/:id/filesystem/files";

  app.get<SandboxParams>(files, { config: { query: PATH, summary: "Read a text file" } }, async (request, reply) => {
    const target = targetOf(services, request, "filesystem");
    const text = await capabilities.readFile(target, normalizePath(readQuery(request, PATH).path));
    if (typeof text === "string") return { content: text };
    const pieces = joinJson(['{"content":', text, "}"]);
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    return reply.type("application/json; charset=utf-8").header("content-length", size).send(Readable.from(pieces));
  });

  app.put<SandboxParams>(
    files,
    { config: { json: "file", body: FILE, summary: "Write a text file" } },
    async (request) => {
      const target = targetOf(services, request, "filesystem");
      const { path, content: text } = readBody(request, FILE);
      await capabilities.writeFile(target, normalizePath(path), text);
      return { status: "ok" };
    },
  );

  app.delete<SandboxParams>(
    files,
    { config: { query: PATH, summary: "Delete a file or a directory" } },
    async (request) => {
      const target = targetOf(services, request, "filesystem");
      await capabilities.deleteFile(target, normalizePath(readQuery(request, PATH).path));
      return { status: "ok" };
    },
  );

  app.get<SandboxParams>(
    "/v1/sandboxes/:id/filesystem/directories",
    { config: { query: DIRECTORY, summary: "List a directory" } },
    async (request) => {
      const target = targetOf(services, request, "filesystem");
      return { entries: await capabilities.list(target, normalizePath(readQuery(request, DIRECTORY).path)) };
    },
  );
}
