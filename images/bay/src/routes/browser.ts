import type { FastifyInstance, FastifyRequest } from "fastify";
import { BayError } from "../errors";
import type { Services } from "../services/services";
import { type SandboxParams, targetOf } from "./target";

/**
 * Browser calls. This Bay has no way to a browser's runtime: a profile without the capability is refused as any other,
 * one that lists it is told what its sandboxes can do here.
 */
export function browserRoutes(app: FastifyInstance, services: Services): void {
  const refuse = (request: FastifyRequest<SandboxParams>): never => {
    const { profile } = targetOf(services, request, "browser");
    throw new BayError("capability_not_supported", "this Bay does not drive browsers", {
      capability: "browser",
      available: profile.capabilities.filter((each) => each !== "browser"),
    });
  };
  const browser = "/v1/sandboxes/:id/browser";
  const summary = "Refused: no browser is deployed";
  app.post<SandboxParams>(`${browser}/exec`, { config: { json: "fields", summary } }, refuse);
  app.post<SandboxParams>(`${browser}/exec_batch`, { config: { json: "fields", summary } }, refuse);
  app.post<SandboxParams>(`${browser}/skills/:skill_key/run`, { config: { json: "fields", summary } }, refuse);
  app.get<SandboxParams>(`${browser}/traces/*`, { config: { summary } }, refuse);
}
