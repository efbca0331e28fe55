import type { BackendName } from "../outputs";
import type { Backend } from "./backend";
import { dockerDesktop } from "./docker-desktop";
import { existing } from "./existing";
import { k3s } from "./k3s";
import { kind } from "./kind";

const backends: Record<BackendName, Backend> = { kind, "docker-desktop": dockerDesktop, existing, k3s };

/** The backend of that name. */
export function backendOf(name: BackendName): Backend {
  return backends[name];
}
