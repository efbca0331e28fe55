/** The Kubernetes API over HTTPS: single requests and watches. */
import http from "node:http";
import https from "node:https";
import { createInterface } from "node:readline";
import type { ValueMap } from "../rpc/values";
import { ApiError, UnreachableError } from "./api-error";
import type { Connection } from "./kubeconfig";
import { numberAt, textAt } from "./objects";

/** One request. */
export interface ApiRequest {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path below the server's URL, with a leading slash. */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  /** Default `application/json`. */
  contentType?: string;
  signal?: AbortSignal;
  /** Told each warning that comes with the answer. */
  onWarning?(message: string): void;
  /** Milliseconds until the request counts as failed; default 30 000. */
  timeout?: number;
}

/** One event of a watch. */
export interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  object: ValueMap;
}

/** A connection to one API server. Connections are kept open and reused; `close` ends them. */
export class ApiClient {
  private readonly secure: boolean;
  private readonly agent: http.Agent;
  private readonly base: URL;

  constructor(private readonly connection: Connection) {
    this.base = new URL(connection.cluster.server);
    this.secure = this.base.protocol === "https:";
    this.agent = this.secure
      ? new https.Agent({ keepAlive: true, maxSockets: 64 })
      : new http.Agent({ keepAlive: true, maxSockets: 64 });
  }

  get server(): string {
    return this.connection.cluster.server;
  }

  /**
   * The parsed answer.
   * @throws ApiError when the server refuses, UnreachableError when no server answers.
   */
  async request(request: ApiRequest): Promise<ValueMap> {
    return JSON.parse(await this.text(request)) as ValueMap;
  }

  /** The answer as text, e.g. a container's log. Throws as `request` does. */
  async text(request: ApiRequest): Promise<string> {
    const response = await this.send(request);
    for (const warning of warningsOf(response)) request.onWarning?.(warning);
    const text = await readAll(response);
    const code = response.statusCode ?? 0;
    if (code >= 200 && code < 300) return text;
    throw ApiError.of(code, asJson(text), text);
  }

  /**
   * The events of a watch until the server ends it or the signal fires.
   * @throws ApiError, also when the server reports that the resource version is too old (code 410).
   */
  async *watch(request: ApiRequest & { signal: AbortSignal }): AsyncGenerator<WatchEvent> {
    const response = await this.send(
      { ...request, query: { ...request.query, watch: true, allowWatchBookmarks: true } },
      true,
    );
    if (response.statusCode !== 200) {
      const text = await readAll(response);
      throw ApiError.of(response.statusCode ?? 0, asJson(text), text);
    }
    const lines = createInterface({ input: response, crlfDelay: Infinity });
    try {
      for await (const line of lines) {
        const event = asJson(line);
        if (!event) continue;
        const object = event.object as ValueMap;
        if (event.type === "ERROR") throw ApiError.of(numberAt(object, "code") ?? 500, object, "the watch failed");
        yield { type: textAt(event, "type") as WatchEvent["type"], object };
      }
    } finally {
      lines.close();
      response.destroy();
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private async send(
    { method = "GET", path, query = {}, body, contentType, signal, timeout = 30_000 }: ApiRequest,
    streaming = false,
  ): Promise<http.IncomingMessage> {
    const { cluster } = this.connection;
    const url = new URL(`${this.base.pathname.replace(/\/$/, "")}${path}`, this.base);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const { headers, cert, key } = await this.connection.credentials();
    const options: https.RequestOptions = {
      method,
      agent: this.agent,
      signal,
      headers: {
        accept: "application/json",
        "user-agent": USER_AGENT,
        ...headers,
        ...(payload ? { "content-type": contentType ?? "application/json", "content-length": payload.length } : {}),
      },
      ...(this.secure
        ? { ca: cluster.ca, cert, key, rejectUnauthorized: !cluster.insecure, servername: cluster.serverName }
        : {}),
    };
    return new Promise((resolve, reject) => {
      const request = (this.secure ? https : http).request(url, options, (response) => {
        request.setTimeout(0);
        resolve(response);
      });
      request.setTimeout(timeout, () => request.destroy(new Error(`no answer within ${timeout / 1000} s`)));
      request.on("error", (error) => {
        reject(signal?.aborted ? error : new UnreachableError(this.server, error));
      });
      if (streaming) request.setNoDelay(true);
      request.end(payload);
    });
  }
}

/** The part before the slash is the field manager of plain creates, as with the official plugin. */
const USER_AGENT = "pulumi-kubernetes/registry-only";

/** `Warning: 299 - "text"`, several of them joined by commas. */
function warningsOf({ headers }: http.IncomingMessage): string[] {
  const { warning = "" } = headers;
  return [...(Array.isArray(warning) ? warning.join(", ") : warning).matchAll(/299 \S+ ("(?:[^"\\]|\\.)*")/g)].map(
    ([, quoted = '""']) => quoted.slice(1, -1).replaceAll(/\\(.)/g, "$1"),
  );
}

async function readAll(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function asJson(text: string): ValueMap | undefined {
  try {
    return JSON.parse(text) as ValueMap;
  } catch {
    return undefined;
  }
}
