import type { BackendName } from "../outputs";
import { UserError } from "../support/errors";
import type { Backend } from "./backend";
import { k3s } from "./k3s";

const backends: Partial<Record<BackendName, Backend>> = { k3s };

/**
 * The backend of that name.
 * @throws UserError E_CONFIG for one that this version does not have
 */
export function backendOf(name: BackendName): Backend {
  const backend = backends[name];
  if (backend) return backend;
  throw new UserError("E_CONFIG", {
    seen: `backend "${name}"`, wanted: `a backend that this version has: ${Object.keys(backends).join(", ")}`,
    next: "pulumi stack select k3s",
  });
}
