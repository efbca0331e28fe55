import type { FastifyInstance } from "fastify";
import { or, readBody, readQuery, str } from "../http/fields";
import { normalizePath } from "../paths";
import type { Services } from "../services/services";
import { type SandboxParams, targetOf } from "./target";

/** Text files and directories of a workspace. */
export function fileRoutes(app: FastifyInstance, services: Services): void {
  const { capabilities } = services;
  const files = "/v1/sandboxes/:id/filesystem/files";

  app.get<SandboxParams>(files, async (request) => {
    const target = targetOf(services, request, "filesystem");
    return { content: await capabilities.readFile(target, normalizePath(readQuery(request, { path: str() }).path)) };
  });

  app.put<SandboxParams>(files, { config: { json: true } }, async (request) => {
    const target = targetOf(services, request, "filesystem");
    const { path, content } = readBody(request, { path: str(), content: str() });
    await capabilities.writeFile(target, normalizePath(path), content);
    return { status: "ok" };
  });

  app.delete<SandboxParams>(files, async (request) => {
    const target = targetOf(services, request, "filesystem");
    await capabilities.deleteFile(target, normalizePath(readQuery(request, { path: str() }).path));
    return { status: "ok" };
  });

  app.get<SandboxParams>("/v1/sandboxes/:id/filesystem/directories", async (request) => {
    const target = targetOf(services, request, "filesystem");
    return { entries: await capabilities.list(target, normalizePath(readQuery(request, { path: or(str(), ".") }).path)) };
  });
}
