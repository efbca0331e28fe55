import http from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { HttpsProxyAgent } from "hpagent";
import { SocksProxyAgent } from "socks-proxy-agent";

/**
 * An agent that keeps connections to one server, through a proxy where there is one: http and https by CONNECT (or by a
 * whole URL, for a server without TLS), socks5 with the proxy resolving names.
 * @param timeout milliseconds for the way through the proxy
 */
export function agentFor(server: URL, proxy: URL | undefined, timeout: number): http.Agent {
  const secure = server.protocol === "https:";
  const options = { keepAlive: true, timeout };
  if (!proxy) return secure ? new https.Agent(options) : new http.Agent(options);
  if (proxy.protocol === "socks5:") return new SocksProxyAgent(proxy.href.replace(/^socks5:/, "socks5h:"), options);
  return secure ? new HttpsProxyAgent({ ...options, proxy: proxy.href }) : new ForwardAgent(proxy, options);
}

/** Sends requests for a server without TLS to a proxy, with the whole URL in place of the path. */
class ForwardAgent extends http.Agent {
  readonly #proxy: URL;

  constructor(proxy: URL, options: http.AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  // Node's own name for what every request calls; its types do not have it.
  addRequest(request: http.ClientRequest, options: http.RequestOptions): void {
    const { username, password, hostname, port, protocol } = this.#proxy;
    const host = String(request.getHeader("host") ?? "");
    request.path = `http://${host}${request.path}`;
    if (username || password) request.setHeader("proxy-authorization", `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`);
    const to = { ...options, host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (protocol === "https:" ? 443 : 80)) };
    (http.Agent.prototype as unknown as { addRequest(request: http.ClientRequest, options: http.RequestOptions): void }).addRequest.call(this, request, to);
  }

  override createConnection(options: http.ClientRequestArgs, callback?: (error: Error | null, stream: Duplex) => void): Duplex | null | undefined {
    if (this.#proxy.protocol === "https:") return tls.connect({ host: options.host!, port: Number(options.port), servername: this.#proxy.hostname });
    return super.createConnection(options, callback);
  }
}
