import { Agent } from "node:http";
import axios, { type AxiosInstance, type AxiosRequestConfig, isAxiosError } from "axios";
import { limitIdle } from "../../infra/support/idle-connections";
import type {
  Cargo,
  DirectoryEntry,
  ErrorEnvelope,
  Execution,
  GcRun,
  Page,
  Profile,
  PythonResult,
  Sandbox,
  ShellResult,
} from "./bay-types";
import { FORWARD_ERROR_HEADER } from "./forward-error";

/** Milliseconds for a call that starts no pod, and for one that may. */
const QUICK = 30_000;
const SLOW = 120_000;
/** Servers drop idle connections after 5 s or more; the client must be first, or a call meets a closing connection. */
const IDLE_SOCKET = 2_000;

/** An answer of Bay, whatever its status. */
export interface Answer<T> {
  status: number;
  data: T;
  headers: Record<string, string>;
  /** `POST /v1/sandboxes`, for messages. */
  call: string;
}

export interface CallOptions {
  headers?: Record<string, string>;
  /** Milliseconds. */
  timeout?: number;
}

/** Bay answered with another status than the caller needs, or not at all. Never shows the key. */
export class BayError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BayError";
  }
}

/** The answer's data when it has the status wanted. @throws BayError with status, code and request id */
export function expectStatus<T>(answer: Answer<T>, status: number): T {
  if (answer.status === status) return answer.data;
  const { error } = (answer.data ?? {}) as Partial<ErrorEnvelope>;
  const requestId = answer.headers["x-request-id"] ?? "none";
  const said = error ? `${error.code}: ${error.message}` : JSON.stringify(answer.data)?.slice(0, 500);
  throw new BayError(`${answer.call} answered ${answer.status}, wanted ${status} (request id ${requestId}): ${said}`);
}

/**
 * Bay's HTTP API. Each method gives the answer whatever its status; `expectStatus` demands one.
 * Nothing is retried: a test that needs a second try has found something.
 */
export class BayClient {
  readonly #http: AxiosInstance;
  readonly #agent = limitIdle(new Agent({ keepAlive: true }), IDLE_SOCKET);
  readonly #apiKey: string | undefined;

  /** @param apiKey left out, no `Authorization` header is sent */
  constructor(
    readonly url: string,
    apiKey?: string,
  ) {
    this.#apiKey = apiKey;
    this.#http = axios.create({
      baseURL: url,
      httpAgent: this.#agent,
      proxy: false,
      timeout: QUICK,
      maxRedirects: 0,
      maxBodyLength: Infinity,
      maxContentLength: Infinity,
      validateStatus: () => true,
      headers: apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` },
    });
  }

  /** Ends the connections that are kept for further calls. */
  close(): void {
    this.#agent.destroy();
  }

  async call<T>(method: string, path: string, config: AxiosRequestConfig & CallOptions = {}): Promise<Answer<T>> {
    const call = `${method} ${path}`;
    const started = Date.now();
    try {
      const { status, data, headers } = await this.#http.request<T>({ method, url: path, ...config });
      const forward = headers[FORWARD_ERROR_HEADER] as string | undefined;
      if (forward !== undefined) throw new BayError(`${call} did not reach Bay: E_FORWARD: ${forward}`);
      return { status, data, headers: headers as Record<string, string>, call };
    } catch (error) {
      if (!isAxiosError(error)) throw error;
      // Axios hangs the request with its headers, the key among them, onto its errors: keep only the words.
      const words = `${error.code ?? "error"} ${error.message}`.replaceAll(this.#apiKey ?? "\0", "[secret]");
      throw new BayError(`${call} had no answer after ${Date.now() - started} ms: ${words}`);
    }
  }

  health(): Promise<Answer<{ status: string; version: string }>> {
    return this.call("GET", "/health");
  }

  profiles(): Promise<Answer<{ items: Profile[] }>> {
    return this.call("GET", "/v1/profiles");
  }

  createSandbox(
    body: { profile?: string; cargo_id?: string; ttl?: number | null } = {},
    options: CallOptions = {},
  ): Promise<Answer<Sandbox>> {
    return this.call("POST", "/v1/sandboxes", { data: body, ...options });
  }

  listSandboxes(
    params: { limit?: number; cursor?: string; status?: string } = {},
    options: CallOptions = {},
  ): Promise<Answer<Page<Sandbox>>> {
    return this.call("GET", "/v1/sandboxes", { params, ...options });
  }

  createCargo(body: { size_limit_mb?: number | null } = {}, options: CallOptions = {}): Promise<Answer<Cargo>> {
    return this.call("POST", "/v1/cargos", { data: body, ...options });
  }

  listCargos(params: { limit?: number; cursor?: string; managed?: boolean } = {}): Promise<Answer<Page<Cargo>>> {
    return this.call("GET", "/v1/cargos", { params });
  }

  getCargo(id: string): Promise<Answer<Cargo>> {
    return this.call("GET", `/v1/cargos/${encodeURIComponent(id)}`);
  }

  deleteCargo(id: string): Promise<Answer<unknown>> {
    return this.call("DELETE", `/v1/cargos/${encodeURIComponent(id)}`);
  }

  /** One cycle of the garbage collection, which is everybody's. @param tasks whose results are told; all without it */
  collect(tasks?: string[]): Promise<Answer<GcRun>> {
    return this.call("POST", "/v1/admin/gc/run", { data: tasks ? { tasks } : {}, timeout: SLOW });
  }

  /** A call on `/v1/skills`. */
  skills<T>(method: string, path: string, data?: object, params?: object): Promise<Answer<T>> {
    return this.call<T>(method, `/v1/skills${path}`, { data, params });
  }

  sandbox(id: string): SandboxClient {
    return new SandboxClient(this, id);
  }
}

/** What a call of Python or of the shell may say beside its code. */
export interface ExecOptions {
  /** Seconds. */
  timeout?: number;
  include_code?: boolean;
  description?: string;
  /** Separated by commas. */
  tags?: string;
}

/** The calls on one sandbox. */
export class SandboxClient {
  readonly #base: string;

  constructor(
    readonly bay: BayClient,
    readonly id: string,
  ) {
    this.#base = `/v1/sandboxes/${encodeURIComponent(id)}`;
  }

  get(): Promise<Answer<Sandbox>> {
    return this.bay.call("GET", this.#base);
  }

  delete(): Promise<Answer<unknown>> {
    return this.bay.call("DELETE", this.#base, { timeout: SLOW });
  }

  stop(): Promise<Answer<{ status: string }>> {
    return this.bay.call("POST", `${this.#base}/stop`, { timeout: SLOW });
  }

  keepalive(): Promise<Answer<{ status: string }>> {
    return this.bay.call("POST", `${this.#base}/keepalive`);
  }

  extendTtl(extendBy: number, options: CallOptions = {}): Promise<Answer<Sandbox>> {
    return this.bay.call("POST", `${this.#base}/extend_ttl`, { data: { extend_by: extendBy }, ...options });
  }

  python(code: string, body: ExecOptions = {}): Promise<Answer<PythonResult>> {
    return this.bay.call("POST", `${this.#base}/python/exec`, { data: { code, ...body }, timeout: SLOW });
  }

  shell(command: string, body: ExecOptions & { cwd?: string } = {}): Promise<Answer<ShellResult>> {
    return this.bay.call("POST", `${this.#base}/shell/exec`, { data: { command, ...body }, timeout: SLOW });
  }

  readFile(path: string): Promise<Answer<{ content: string }>> {
    return this.bay.call("GET", `${this.#base}/filesystem/files`, { params: { path }, timeout: SLOW });
  }

  writeFile(path: string, content: string): Promise<Answer<{ status: string }>> {
    return this.bay.call("PUT", `${this.#base}/filesystem/files`, { data: { path, content }, timeout: SLOW });
  }

  deleteFile(path: string): Promise<Answer<{ status: string }>> {
    return this.bay.call("DELETE", `${this.#base}/filesystem/files`, { params: { path }, timeout: SLOW });
  }

  list(path = "."): Promise<Answer<{ entries: DirectoryEntry[] }>> {
    return this.bay.call("GET", `${this.#base}/filesystem/directories`, { params: { path }, timeout: SLOW });
  }

  upload(path: string, content: Uint8Array): Promise<Answer<{ status: string; path: string; size: number }>> {
    const form = new FormData();
    // The path first: Bay sends a file on while it arrives once it knows where to.
    form.append("path", path);
    form.append("file", new Blob([content]), "upload");
    return this.bay.call("POST", `${this.#base}/filesystem/upload`, { data: form, timeout: SLOW });
  }

  history(
    params: {
      exec_type?: string;
      success_only?: boolean;
      has_notes?: boolean;
      tags?: string;
      limit?: number;
      offset?: number;
    } = {},
  ): Promise<Answer<{ entries: Execution[]; total: number }>> {
    return this.bay.call("GET", `${this.#base}/history`, { params });
  }

  lastExecution(execType?: string): Promise<Answer<Execution>> {
    return this.bay.call("GET", `${this.#base}/history/last`, { params: { exec_type: execType } });
  }

  execution(id: string): Promise<Answer<Execution>> {
    return this.bay.call("GET", `${this.#base}/history/${encodeURIComponent(id)}`);
  }

  annotate(id: string, notes: { description?: string; tags?: string; notes?: string }): Promise<Answer<Execution>> {
    return this.bay.call("PATCH", `${this.#base}/history/${encodeURIComponent(id)}`, { data: notes });
  }

  /** A call of the browser's endpoints. */
  browser<T>(method: string, path: string, data?: object): Promise<Answer<T>> {
    return this.bay.call(method, `${this.#base}/browser${path}`, { data, timeout: SLOW });
  }

  /** The file's bytes; a refusal's JSON is parsed, as in the other calls. */
  async download(path: string): Promise<Answer<Buffer>> {
    const answer = await this.bay.call<Buffer>("GET", `${this.#base}/filesystem/download`, {
      params: { path },
      responseType: "arraybuffer",
      timeout: SLOW,
    });
    return answer.status === 200 ? answer : { ...answer, data: parsed(answer.data) };
  }
}

function parsed(body: Buffer): Buffer {
  try {
    return JSON.parse(body.toString("utf8")) as Buffer;
  } catch {
    return body;
  }
}
