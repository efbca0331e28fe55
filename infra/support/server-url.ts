import type { KubeconfigCluster } from "./kubeconfig-types";

/**
 * The URL that kubectl makes of a cluster's `server`: `host:port` alone is https where the entry speaks of TLS, else
 * http; query and fragment do not count. Nothing where it is no address of a server.
 */
export function serverUrl(cluster: KubeconfigCluster): URL | undefined {
  const { server } = cluster;
  const tls = (cluster["certificate-authority"] ?? cluster["certificate-authority-data"] ?? cluster["insecure-skip-tls-verify"]) !== undefined;
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(server) ? server : `${tls ? "https" : "http"}://${server}`;
  if (withScheme !== server && /[/?#]/.test(server)) return undefined;
  if (!URL.canParse(withScheme)) return undefined;
  const url = new URL(withScheme);
  if (!["http:", "https:"].includes(url.protocol) || url.hostname === "") return undefined;
  [url.search, url.hash] = ["", ""];
  return url;
}
