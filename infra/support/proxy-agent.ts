import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { SocksProxyAgent } from "socks-proxy-agent";

export interface AgentOptions {
  /** Milliseconds for the way through the proxy. */
  timeout: number;
  /** How the certificate of a proxy over https is checked; as in Go's clients, by the authority of the cluster. */
  tls: Pick<tls.ConnectionOptions, "ca" | "rejectUnauthorized">;
}

/**
 * Returns an agent that keeps connections to one server, through a proxy where there is one: http and https by CONNECT
 * (or by a whole URL, for a server without TLS), socks5 with the proxy resolving names.
 */
export function agentFor(server: URL, proxy: URL | undefined, options: AgentOptions): http.Agent {
  const secure = server.protocol === "https:";
  const kept = { keepAlive: true, timeout: options.timeout };
  if (!proxy) return secure ? new https.Agent(kept) : new http.Agent(kept);
  if (proxy.protocol === "socks5:") return new SocksProxyAgent(proxy.href.replace(/^socks5:/, "socks5h:"), kept);
  return secure ? new TunnelAgent(proxy, options) : new ForwardAgent(proxy, options);
}

type Created = (error: Error | null, stream: Duplex) => void;

/** Asks a proxy for a connection to the server (CONNECT), and speaks TLS through it. */
class TunnelAgent extends https.Agent {
  readonly #closed = new AbortController();

  constructor(
    private readonly proxy: URL,
    private readonly ways: AgentOptions,
  ) {
    super({ keepAlive: true, timeout: ways.timeout });
  }

  override createConnection(options: https.RequestOptions, created: Created): undefined {
    const host = options.host!;
    const target = `${isIP(host) === 6 ? `[${host}]` : host}:${options.port!}`;
    const request = (this.proxy.protocol === "https:" ? https : http).request({
      ...endOf(this.proxy),
      ...tlsTo(this.proxy, this.ways),
      method: "CONNECT",
      path: target,
      headers: { host: target, ...authorizationFor(this.proxy) },
      agent: false,
      signal: AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.ways.timeout)]),
    });
    request.once("connect", ({ statusCode = 0 }: http.IncomingMessage, socket: Duplex) => {
      if (statusCode === 200)
        return void created(null, super.createConnection({ ...options, socket } as https.RequestOptions) as Duplex);
      socket.destroy();
      created(new Error(`the proxy ${this.proxy.host} answered ${statusCode}`), undefined!);
    });
    request.once("response", ({ statusCode = 0 }) => {
      request.destroy(new Error(`the proxy ${this.proxy.host} answered ${statusCode}`));
    });
    request
      .once("error", (error) => {
        created(error, undefined!);
      })
      .end();
    return undefined;
  }

  override destroy(): void {
    this.#closed.abort();
    super.destroy();
  }
}

/** Sends requests for a server without TLS to a proxy, with the whole URL in place of the path. */
class ForwardAgent extends http.Agent {
  constructor(
    private readonly proxy: URL,
    private readonly ways: AgentOptions,
  ) {
    super({ keepAlive: true, timeout: ways.timeout });
  }

  // Node's own name for what every request calls; its types do not have it.
  addRequest(request: http.ClientRequest, options: http.RequestOptions): void {
    request.path = `http://${String(request.getHeader("host"))}${request.path}`;
    for (const [name, value] of Object.entries(authorizationFor(this.proxy))) request.setHeader(name, value);
    const add = (
      http.Agent.prototype as unknown as { addRequest(request: http.ClientRequest, options: http.RequestOptions): void }
    ).addRequest;
    add.call(this, request, { ...options, ...endOf(this.proxy) });
  }

  override createConnection(options: http.ClientRequestArgs, created?: Created): Duplex | null | undefined {
    if (this.proxy.protocol !== "https:") return super.createConnection(options, created);
    return tls.connect({ ...endOf(this.proxy), ...tlsTo(this.proxy, this.ways) });
  }
}

function endOf({ hostname, port, protocol }: URL): { host: string; port: number } {
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || (protocol === "https:" ? 443 : 80)) };
}

function tlsTo(proxy: URL, ways: AgentOptions): tls.ConnectionOptions {
  const { host } = endOf(proxy);
  return { ...ways.tls, ...(isIP(host) === 0 ? { servername: host } : {}) };
}

function authorizationFor({ username, password }: URL): Record<string, string> {
  if (!username && !password) return {};
  return {
    "proxy-authorization": `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64")}`,
  };
}
