import type { FastifyInstance } from "fastify";
import { or, readBody, readQuery, str } from "../http/fields";
import { normalizePath } from "../paths";
import type { Services } from "../services/services";
import { type SandboxParams, targetOf } from "./target";

const PATH = { path: str() };
const FILE = { path: str(), content: str() };
const DIRECTORY = { path: or(str(), ".") };

/** Text files and directories of a workspace. */
export function fileRoutes(app: FastifyInstance, services: Services): void {
  const { capabilities } = services;
  const files = "/v1/sandboxes/:id/filesystem/files";

  app.get<SandboxParams>(files, { config: { query: PATH, summary: "Read a text file" } }, async (request) => {
    const target = targetOf(services, request, "filesystem");
    return { content: await capabilities.readFile(target, normalizePath(readQuery(request, PATH).path)) };
  });

  app.put<SandboxParams>(files, { config: { json: true, body: FILE, summary: "Write a text file" } }, async (request) => {
    const target = targetOf(services, request, "filesystem");
    const { path, content } = readBody(request, FILE);
    await capabilities.writeFile(target, normalizePath(path), content);
    return { status: "ok" };
  });

  app.delete<SandboxParams>(files, { config: { query: PATH, summary: "Delete a file or a directory" } }, async (request) => {
    const target = targetOf(services, request, "filesystem");
    await capabilities.deleteFile(target, normalizePath(readQuery(request, PATH).path));
    return { status: "ok" };
  });

  app.get<SandboxParams>("/v1/sandboxes/:id/filesystem/directories", { config: { query: DIRECTORY, summary: "List a directory" } }, async (request) => {
    const target = targetOf(services, request, "filesystem");
    return { entries: await capabilities.list(target, normalizePath(readQuery(request, DIRECTORY).path)) };
  });
}
