import type { FastifyRequest } from "fastify";
import { BayError } from "../errors";
import type { Target } from "../services/capabilities";
import type { Services } from "../services/services";

/** A route below a sandbox. */
export interface SandboxParams {
  Params: { id: string };
}

/** The sandbox that a capability call is for. @throws BayError not_found, then capability_not_supported */
export function targetOf({ sandboxes }: Services, request: FastifyRequest<SandboxParams>, capability: string): Target {
  const sandbox = sandboxes.get(request.owner, request.params.id);
  const profile = sandboxes.profile(sandbox.profileId);
  if (!profile.capabilities.includes(capability)) {
    throw new BayError("capability_not_supported", `the profile "${profile.id}" does not offer "${capability}"`, {
      capability,
      available: profile.capabilities,
    });
  }
  return { sandbox, profile, hold: request.hold };
}
