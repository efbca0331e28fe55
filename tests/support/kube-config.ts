import { KubeConfig } from "@kubernetes/client-node";
import type { RequestContext } from "@kubernetes/client-node";
import type https from "node:https";
import { type KubeTransport, transportOf } from "../../infra/support/kube-transport";
import { entriesOf, parseKubeconfig } from "../../infra/support/kubeconfig";
import { proxyOf } from "../../infra/support/proxy";

/**
 * Loads a kubeconfig for the client library. What the library cannot do by itself (token files, plugins with a
 * deadline, users to act as, servers without TLS, proxies that resolve names) goes the way that the program and the
 * runner go.
 */
export function loadKubeConfig(kubeconfig: string): KubeConfig {
  const config = isPlain(kubeconfig) ? new KubeConfig() : new KubectlConfig(transportOf(kubeconfig));
  config.loadFromString(kubeconfig);
  return config;
}

/** Whether the library's own way is the same: a token or a certificate over TLS, without a proxy. */
export function isPlain(kubeconfig: string): boolean {
  const config = parseKubeconfig(kubeconfig);
  const { cluster, user } = entriesOf(config, config["current-context"] ?? "") ?? {};
  if (!cluster || !user) return cluster === undefined;
  return (
    cluster.server.startsWith("https://") &&
    proxyOf(cluster) === undefined &&
    user.tokenFile === undefined &&
    user.exec === undefined &&
    user.as === undefined
  );
}

class KubectlConfig extends KubeConfig {
  readonly #transport: KubeTransport;

  constructor(transport: KubeTransport) {
    super();
    this.#transport = transport;
  }

  /** For WebSockets and watches. */
  override async applyToHTTPSOptions(options: https.RequestOptions): Promise<void> {
    const { timeout: _timeout, headers, ...ways } = await this.#transport.options();
    void _timeout;
    Object.assign(options, ways, { headers: { ...(options.headers as Record<string, string>), ...headers } });
  }

  /** For calls: `fetch` takes TLS from the agent alone. */
  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    const { agent, headers, ca, cert, key, rejectUnauthorized, servername } = await this.#transport.options();
    for (const [name, value] of Object.entries(headers))
      context.setHeaderParam(name, Array.isArray(value) ? value.join(", ") : value);
    const tls = Object.entries({ ca, cert, key, rejectUnauthorized, servername }).filter(
      ([, value]) => value !== undefined,
    );
    Object.assign((agent as https.Agent).options, Object.fromEntries(tls));
    context.setAgent(agent as https.Agent);
  }
}
