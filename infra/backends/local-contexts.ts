import { BlockList, isIP } from "node:net";
import { serverUrl } from "../support/server-url";

/** Contexts that tools for clusters on one's own machine make; `*` stands for any characters. */
export interface LocalContext {
  name: string;
  /** The tool that makes contexts of this name. */
  tool: string;
}

/**
 * Contexts that may be used without being named in the configuration. Whoever adds one: no cloud and no
 * platform may make contexts of that name, because tests are run in whatever cluster it leads to.
 */
export const LOCAL_CONTEXTS: readonly LocalContext[] = [
  { name: "docker-desktop", tool: "Docker Desktop" },
  { name: "docker-for-desktop", tool: "Docker Desktop before 2.3" },
  { name: "kind-*", tool: "kind" },
  { name: "k3d-*", tool: "k3d" },
  { name: "minikube", tool: "minikube" },
  { name: "rancher-desktop", tool: "Rancher Desktop" },
  { name: "colima", tool: "Colima" },
  { name: "colima-*", tool: "Colima with a profile" },
  { name: "orbstack", tool: "OrbStack" },
  { name: "microk8s", tool: "MicroK8s" },
];

/** The contexts of Docker Desktop's own cluster. */
export const DOCKER_DESKTOP_CONTEXTS: readonly string[] = ["docker-desktop", "docker-for-desktop"];

/** A context as the policy sees it. */
export interface ContextPlace {
  name: string;
  /** URL of its API server. */
  server: string;
  /** The proxy that its requests go through, if any. */
  proxy?: string;
}

/**
 * The one policy for contexts: says why a context must not be used unless the configuration names it; nothing where it
 * may. Detection, `up`, previews and sweep all ask here. What must not be used is not even knocked at.
 * @param allowed names that are meant as they stand, wherever their servers are
 */
export function objectionTo({ name, server, proxy }: ContextPlace, allowed: readonly string[]): string | undefined {
  if (allowed.includes(name)) return undefined;
  if (!isLocalContext(name)) return `context ${name} is not on the list of local ones`;
  if (proxy)
    return `context ${name} is reached through the proxy ${proxy}, so its address says nothing about where it is`;
  return isLocalServer(server)
    ? undefined
    : `context ${name} has a local name, but its server ${server || "is missing"} is not local`;
}

/** Whether a context has the name of a local one. */
export function isLocalContext(name: string): boolean {
  return LOCAL_CONTEXTS.some((context) => glob(name, context.name, ".*"));
}

/** Ranges that do not leave the machine or its local network: loopback, private, link-local. */
const LOCAL_RANGES: readonly [address: string, prefix: number][] = [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["169.254.0.0", 16],
  ["0.0.0.0", 32],
  ["::1", 128],
  ["fc00::", 7],
  ["fe80::", 10],
];
/** Names that the tools give their API servers; a public name has a dot where none is allowed here, or another end. */
const LOCAL_HOSTS = [
  "localhost",
  "*.localhost",
  "*.docker.internal",
  "host.lima.internal",
  "*.local",
  "*-control-plane",
  "*-external-load-balancer",
  "k3d-*-serverlb",
  "k3d-*-server-0",
];

/** Whether an API server's address is on this machine or its local network, as that of a local cluster is. */
export function isLocalServer(server: string): boolean {
  const host = hostOf(server);
  if (host === undefined) return false;
  const family = isIP(host);
  if (family === 0)
    return LOCAL_HOSTS.some((pattern) => glob(host, pattern, pattern.startsWith("*.") ? ".*" : "[^.]*"));
  return ranges.check(host, family === 6 ? "ipv6" : "ipv4");
}

const ranges = new BlockList();
for (const [address, prefix] of LOCAL_RANGES) ranges.addSubnet(address, prefix, isIP(address) === 6 ? "ipv6" : "ipv4");

/**
 * The host that a kubeconfig's `server` leads to, without the brackets of an IPv6 address; nothing where it leads
 * nowhere.
 */
function hostOf(server: string): string | undefined {
  return serverUrl({ server })
    ?.hostname.replace(/^\[|\]$/g, "")
    .toLowerCase();
}

function glob(text: string, pattern: string, any: string): boolean {
  return new RegExp(
    `^${pattern
      .split("*")
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
      .join(any)}$`,
  ).test(text);
}
