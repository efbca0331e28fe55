import { BlockList, isIP } from "node:net";
import type { KubeconfigCluster } from "./kubeconfig-types";
import { serverUrl } from "./server-url";

/** A proxy, and how it is named to people: its password is left out. */
export interface Proxy {
  url: URL;
  shown: string;
}

/**
 * The proxy that kubectl, and every client written in Go, reaches a cluster through: `proxy-url`, else that of
 * HTTPS_PROXY or HTTP_PROXY unless NO_PROXY names the server. Loopback addresses are never asked for by the
 * environment's.
 */
export function proxyOf(cluster: KubeconfigCluster, env: NodeJS.ProcessEnv = process.env): Proxy | undefined {
  const given = cluster["proxy-url"];
  if (given !== undefined) return URL.canParse(given) ? named(given, "") : undefined;
  const server = serverUrl(cluster);
  if (!server) return undefined;
  const variable = server.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const value = env[variable] || env[variable.toLowerCase()];
  if (!value || isLoopback(hostOf(server)) || isExcepted(server, env["NO_PROXY"] || env["no_proxy"] || ""))
    return undefined;
  const url = value.includes("://") ? value : `http://${value}`;
  return URL.canParse(url) ? named(url, ` (${variable})`) : undefined;
}

function named(text: string, from: string): Proxy {
  const url = new URL(text);
  const shown = new URL(text);
  [shown.username, shown.password] = ["", ""];
  return { url, shown: `${shown.href.replace(/\/$/, "")}${from}` };
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/**
 * NO_PROXY: `*`, hosts with all below them, `.domain` for those below it alone, addresses, ranges, each with a port or
 * without.
 */
function isExcepted(server: URL, list: string): boolean {
  const host = hostOf(server);
  const port = server.port || (server.protocol === "https:" ? "443" : "80");
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter(Boolean)
    .some((entry) => {
      if (entry === "*") return true;
      if (entry.includes("/")) return inRange(host, entry);
      const [, name = entry, only] = /^(.*?)(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry)!;
      if (only !== undefined && only !== port) return false;
      const bare = name.replace(/^\[|\]$/g, "").replace(/^\*\./, ".");
      return bare.startsWith(".")
        ? host.endsWith(bare)
        : host === bare || (isIP(bare) === 0 && host.endsWith(`.${bare}`));
    });
}

function inRange(host: string, range: string): boolean {
  const [address = "", bits = ""] = range.split("/");
  const [family, prefix] = [isIP(address), Number(bits)];
  if (family === 0 || family !== isIP(host) || !Number.isInteger(prefix) || prefix > (family === 4 ? 32 : 128))
    return false;
  const block = new BlockList();
  block.addSubnet(address, prefix, family === 6 ? "ipv6" : "ipv4");
  return block.check(host, family === 6 ? "ipv6" : "ipv4");
}
