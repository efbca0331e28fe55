import type { IncomingMessage } from "node:http";
import https from "node:https";
import type { KubeAccess } from "./access";

/** The API server refused; `reason` is the Kubernetes reason, e.g. `NotFound`, `AlreadyExists`, `Forbidden`. */
export class KubeError extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** Longest time for an answer of the API server. */
const ANSWER_MS = 15_000;
/** Silence after which a watch is taken as dead; bookmarks come about once a minute. */
const WATCH_SILENCE_MS = 90_000;

const MERGE_PATCH = "application/merge-patch+json";

/** A small HTTP client of the Kubernetes API with connections that stay open. */
export class KubeClient {
  private readonly agent: https.Agent;

  constructor(private readonly access: KubeAccess) {
    this.agent = new https.Agent({
      keepAlive: true,
      ca: access.ca,
      cert: access.cert,
      key: access.key,
      maxSockets: 32,
    });
  }

  /**
   * One call; a PATCH is a merge patch. @throws KubeError for an answer of 400 and above, Error when there is no answer
   */
  async call<T>(method: "GET" | "POST" | "DELETE" | "PATCH", path: string, body?: object): Promise<T> {
    const response = await this.send(method, path, body, ANSWER_MS).catch(
      (error: NodeJS.ErrnoException & { reused?: boolean }) => {
        // The server may close an idle connection in the moment it is used again; names make repeating safe.
        if (error.reused && error.code === "ECONNRESET") return this.send(method, path, body, ANSWER_MS);
        throw error;
      },
    );
    const text = await readAll(response);
    if (response.statusCode! >= 400) throw errorOf(response.statusCode!, text);
    return (response.headers["content-type"]?.includes("json") ? JSON.parse(text) : text) as T;
  }

  /**
   * All objects of a collection, page after page: an API server may answer in parts.
   * @param path The collection, without a query. @param selector Label selector.
   * @throws KubeError, Error as `call` does; then nothing is given, not a part
   */
  async list<T>(path: string, selector: string): Promise<T[]> {
    const items: T[] = [];
    for (let next: string | undefined = ""; next !== undefined;) {
      const query = new URLSearchParams({ labelSelector: selector, ...(next ? { continue: next } : {}) });
      const page: { items: T[]; metadata?: { continue?: string } } = await this.call(
        "GET",
        `${path}?${query.toString()}`,
      );
      items.push(...page.items);
      next = page.metadata?.continue || undefined;
    }
    return items;
  }

  /** An open watch; the caller reads lines of JSON and destroys it. */
  async watch(path: string): Promise<IncomingMessage> {
    const response = await this.send("GET", path, undefined, WATCH_SILENCE_MS);
    if (response.statusCode! >= 400) throw errorOf(response.statusCode!, await readAll(response));
    return response;
  }

  /** Closes all connections. */
  close(): void {
    this.agent.destroy();
  }

  private send(method: string, path: string, body: object | undefined, silenceMs: number): Promise<IncomingMessage> {
    const { host, port } = this.access;
    const token = this.access.token();
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = https.request({
        host,
        port,
        method,
        path,
        agent: this.agent,
        timeout: silenceMs,
        headers: {
          accept: "application/json",
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(payload === undefined
            ? {}
            : {
                "content-type": method === "PATCH" ? MERGE_PATCH : "application/json",
                "content-length": Buffer.byteLength(payload),
              }),
        },
      });
      request.once("response", resolve);
      request.once("timeout", () => {
        request.destroy(new Error(`the Kubernetes API was silent for ${silenceMs / 1000} s (${method} ${path})`));
      });
      request.on("error", (error) => {
        reject(Object.assign(error, { reused: request.reusedSocket }));
      });
      request.end(payload);
    });
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function errorOf(status: number, text: string): KubeError {
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string };
    return new KubeError(status, reason ?? "", message ?? text);
  } catch {
    return new KubeError(status, "", text.slice(0, 500));
  }
}
