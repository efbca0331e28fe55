import type { FastifyInstance } from "fastify";
import { version } from "../../../../package.json";
import type { ContainerSpec, Profile } from "../config/profiles";
import { bool, or, readQuery } from "../http/fields";
import type { Services } from "../services/services";

const PROFILES = { detail: or(bool(), false) };

/** Health and profiles; both need no key. */
export function infoRoutes(app: FastifyInstance, { context }: Services): void {
  app.get("/health", { config: { open: true, summary: "Whether Bay serves" } }, () => ({ status: "ok", version }));

  app.get("/v1/profiles", { config: { open: true, query: PROFILES, summary: "List profiles" } }, (request) => {
    const { detail } = readQuery(request, PROFILES);
    return { items: [...context.profiles.values()].map((profile) => profileView(profile, detail)) };
  });
}

function profileView(profile: Profile, detail: boolean): object {
  return {
    id: profile.id,
    image: profile.primary.image,
    resources: profile.primary.resources,
    capabilities: profile.capabilities,
    idle_timeout: profile.idleTimeout,
    description: detail ? profile.description : null,
    containers: detail ? profile.containers.map((container) => containerView(container, profile.multi)) : null,
  };
}

function containerView({ name, runtimeType, capabilities, resources }: ContainerSpec, multi: boolean): object {
  return {
    name: multi ? name : "primary",
    runtime_type: runtimeType,
    capabilities: [...capabilities].sort(),
    resources,
  };
}
