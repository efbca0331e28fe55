import type { KubeconfigCluster } from "./kubeconfig-types";

/**
 * Returns the URL that kubectl makes of a cluster's `server`: `host:port` alone is http, and query and fragment do not
 * count. Nothing where it is no address of a server.
 */
export function serverUrl({ server }: Pick<KubeconfigCluster, "server">): URL | undefined {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(server) ? server : `http://${server}`;
  if (withScheme !== server && /[/?#]/.test(server)) return undefined;
  if (!URL.canParse(withScheme)) return undefined;
  const url = new URL(withScheme);
  if (!["http:", "https:"].includes(url.protocol) || url.hostname === "") return undefined;
  [url.search, url.hash] = ["", ""];
  return url;
}
