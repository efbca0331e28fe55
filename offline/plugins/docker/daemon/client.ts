/**
 * A client for the Docker Engine API: as much as the plugin needs. Not dockerode, because that brings an SSH
 * client and a second gRPC stack, which a plugin that starts at every `pulumi up` would load in vain.
 */
import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import type { Pack } from "tar-stream";
import type { Endpoint } from "./endpoint";

/** An answer of the daemon that is not a success. */
export class DockerError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "DockerError";
  }
}

export interface RequestBody {
  /** A list gives the key as many times. */
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as a tar archive. */
  tar?: Pack;
  headers?: Record<string, string>;
  /** Closes the connection; the daemon stops a build or a pull then. */
  signal?: AbortSignal;
}

/** The newest API version that this client is written for; older daemons are spoken to in theirs. */
const API_VERSION = "1.47";

export class DockerClient {
  private readonly agent = new Agent({ keepAlive: true });
  private version: Promise<string> | undefined;

  constructor(readonly endpoint: Endpoint) {}

  /** The parsed answer; `undefined` for an empty one. @throws DockerError when the daemon refuses. */
  async json<T>(method: string, path: string, options: RequestBody = {}): Promise<T> {
    const text = await readText(await this.stream(method, path, options));
    return (text ? JSON.parse(text) : undefined) as T;
  }

  /** `json`, but `undefined` when the daemon knows no such thing (404). */
  async find<T>(path: string, options: RequestBody = {}): Promise<T | undefined> {
    try {
      return await this.json<T>("GET", path, options);
    } catch (error) {
      if (error instanceof DockerError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Each JSON object of an answer that comes piece by piece (build, pull, push). */
  async *events<T>(method: string, path: string, options: RequestBody = {}): AsyncGenerator<T> {
    const response = await this.stream(method, path, options);
    let rest = "";
    for await (const chunk of response.setEncoding("utf8") as AsyncIterable<string>) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.trim()) yield JSON.parse(line) as T;
    }
    if (rest.trim()) yield JSON.parse(rest) as T;
  }

  /** The answer as a stream. @throws DockerError when the daemon refuses. */
  async stream(method: string, path: string, options: RequestBody = {}): Promise<IncomingMessage> {
    this.version ??= this.negotiate();
    return this.send(method, `/v${await this.version}${path}`, options);
  }

  private async negotiate(): Promise<string> {
    const response = await this.send("GET", "/_ping", {});
    await readText(response);
    const offered = String(response.headers["api-version"] ?? API_VERSION);
    return Number(offered.split(".")[1]) < Number(API_VERSION.split(".")[1]) ? offered : API_VERSION;
  }

  private async send(method: string, path: string, options: RequestBody): Promise<IncomingMessage> {
    const { json, tar, signal } = options;
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json));
    const headers = {
      ...(body ? { "content-type": "application/json", "content-length": String(body.length) } : {}),
      ...(tar ? { "content-type": "application/x-tar" } : {}),
      ...options.headers,
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = this.open({ method, path: `${path}${queryString(options.query)}`, headers, signal }, resolve);
      request.on("error", (error) => {
        reject(this.explain(error));
      });
      // A daemon that refuses early closes the connection while the archive is still being sent; its answer says why.
      // (A Pack is a streamx stream: node pipes it, its type does not say so.)
      if (tar)
        void pipeline(tar as unknown as NodeJS.ReadableStream, request).catch((error: unknown) => {
          request.destroy(error as Error);
        });
      else request.end(body);
    });
    const status = response.statusCode ?? 0;
    if (status < 200 || status >= 300)
      throw new DockerError(status, messageOf(await readText(response)) || `HTTP ${status}`);
    return response;
  }

  private open(options: RequestOptions, answered: (response: IncomingMessage) => void) {
    const { endpoint } = this;
    if (endpoint.kind === "socket")
      return httpRequest({ ...options, host: "docker", socketPath: endpoint.socketPath, agent: this.agent }, answered);
    const { host, port, tls } = endpoint;
    return tls
      ? httpsRequest({ ...options, host, port, ...tls }, answered)
      : httpRequest({ ...options, host, port, agent: this.agent }, answered);
  }

  private explain(error: NodeJS.ErrnoException): Error {
    const reasons: Record<string, string> = {
      ENOENT: "there is no such socket",
      ECONNREFUSED: "nothing listens there",
      EACCES: "this user may not use it",
      ENOTFOUND: "the host is not known",
    };
    const reason = reasons[error.code ?? ""];
    return reason
      ? new Error(
          `Cannot connect to the Docker daemon at ${this.endpoint.shown}: ${reason}. Is the Docker daemon running?`,
          { cause: error },
        )
      : error;
  }
}

/** The whole answer. */
export async function readBytes(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function readText(response: IncomingMessage): Promise<string> {
  return (await readBytes(response)).toString("utf8");
}

function queryString(query: RequestBody["query"] = {}): string {
  const pairs = Object.entries(query).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : typeof value === "object" ? value.map((each) => [key, each]) : [[key, String(value)]],
  );
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs).toString()}`;
}

function messageOf(text: string): string {
  try {
    return (JSON.parse(text) as { message?: string }).message ?? text;
  } catch {
    return text.trim();
  }
}
