import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import axios, { type AxiosInstance, isAxiosError } from "axios";
import { limitIdle } from "../../infra/support/idle-connections";
import { PropagatorError, readRefusal } from "./errors";
import type {
  Action,
  ActionDetails,
  ActionType,
  Checkpoint,
  CheckpointRequest,
  CheckpointStatus,
  Cluster,
  RestoreRequest,
} from "./types";
import { baseUrl } from "./url";

/** Milliseconds until an answer. */
const ANSWER_WITHIN = 30_000;
/** Servers drop idle connections after some seconds; the client must be first, or a call meets a closing connection. */
const IDLE_SOCKET = 2_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface PropagatorOptions {
  /** As `CEDANA_URL` has it, with or without scheme and `/v1`. */
  url: string;
  /** Bearer token of every call. */
  token: string;
  /** The newest versions know `v1` alone, older ones need `v2`. Default `v2`. */
  api?: "v1" | "v2";
  /** Milliseconds until an answer. Default 30 000. */
  timeout?: number;
}

/**
 * The propagator's HTTP API, Cedana's or the local one. Every call wants status 200 and nothing is retried: a second
 * POST would be a second action. Errors are `PropagatorError` and never hold the token.
 */
export class PropagatorClient {
  /** Base of all calls, without a version. */
  readonly url: string;
  readonly #http: AxiosInstance;
  readonly #agents = [
    limitIdle(new Agent({ keepAlive: true }), IDLE_SOCKET),
    limitIdle(new SecureAgent({ keepAlive: true }), IDLE_SOCKET),
  ] as const;
  readonly #token: string;
  readonly #api: string;

  /** @throws UserError E_PROPAGATOR_TARGET for a bad address */
  constructor({ url, token, api = "v2", timeout = ANSWER_WITHIN }: PropagatorOptions) {
    this.url = baseUrl(url);
    this.#token = token;
    this.#api = api;
    const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(this.url).hostname);
    this.#http = axios.create({
      baseURL: this.url,
      httpAgent: this.#agents[0],
      httpsAgent: this.#agents[1],
      timeout,
      maxRedirects: 0,
      ...(local ? { proxy: false } : {}),
      // A body is read here, whatever type it says it has.
      responseType: "text",
      transformResponse: (body: unknown) => body,
      validateStatus: () => true,
      headers: { Authorization: `Bearer ${token}`, Accept: "application/json, text/plain;q=0.9" },
    });
  }

  /** Ends the connections that are kept for further calls. */
  close(): void {
    for (const agent of this.#agents) agent.destroy();
  }

  /** Checks that the propagator can be reached and knows the token; gives what it says of its user. */
  user(): Promise<string> {
    return this.#text("GET", "/user");
  }

  clusters(query: { kind?: "kubernetes" | "slurm" } = {}): Promise<Cluster[]> {
    return this.#list<Cluster>("/cluster", query);
  }

  /** Makes or updates the cluster of that name and gives its id. */
  registerCluster(cluster_name: string, kind?: "kubernetes" | "slurm"): Promise<string> {
    return this.#id("POST", "/cluster", { cluster_name, ...(kind ? { kind } : {}) });
  }

  /** Forgets a cluster, its actions and its checkpoints. */
  deregisterCluster(id: string): Promise<string> {
    return this.#text("DELETE", `/cluster/${encodeURIComponent(id)}`);
  }

  /** Starts a checkpoint and gives its action's id; `waitForCheckpoint` waits for it. */
  checkpointPod(request: CheckpointRequest): Promise<string> {
    return this.#id("POST", "/checkpoint/pod", request);
  }

  async checkpointStatus(actionId: string): Promise<CheckpointStatus> {
    return this.#json<CheckpointStatus>("GET", `/checkpoint/status/${encodeURIComponent(actionId)}`);
  }

  /** Starts a restore and gives its own action's id; `waitForRestore` waits for it. */
  restorePod(request: RestoreRequest): Promise<string> {
    return this.#id("POST", "/restore/pod", { reason: "manual", ...request });
  }

  /** All actions; the propagator may leave a filter that it does not know unheeded. */
  actions(query: { type?: ActionType; cluster_id?: string } = {}): Promise<Action[]> {
    return this.#list<Action>("/actions", query);
  }

  action(id: string): Promise<ActionDetails> {
    return this.#json<ActionDetails>("GET", `/actions/${encodeURIComponent(id)}`);
  }

  /** Id of the latest checkpoint action of a pod. @param podId its UID */
  latestActionOfPod(podId: string): Promise<string> {
    return this.#id("GET", `/actions/from_pod/${encodeURIComponent(podId)}`);
  }

  /** @param query with `deprecated` also those whose files were removed, where the propagator lists them */
  checkpoints({
    cluster_id,
    ids,
    deprecated,
  }: { cluster_id?: string; ids?: readonly string[]; deprecated?: boolean } = {}): Promise<Checkpoint[]> {
    return this.#list<Checkpoint>("/checkpoints", {
      cluster_id,
      ...(ids ? { ids: ids.join(",") } : {}),
      ...(deprecated ? { deprecated: "true" } : {}),
    });
  }

  /** Removes a checkpoint's files; it can no longer be restored. */
  deprecateCheckpoint(id: string): Promise<string> {
    return this.#text("PATCH", `/checkpoints/deprecate/${encodeURIComponent(id)}`);
  }

  /** A list; `null` means an empty one. */
  async #list<T>(path: string, query: Record<string, string | undefined>): Promise<T[]> {
    const value = await this.#json<T[] | null>("GET", path, undefined, query);
    if (value !== null && !Array.isArray(value)) throw this.#unexpected("GET", path, JSON.stringify(value), "a list");
    return value ?? [];
  }

  async #id(method: string, path: string, body?: object): Promise<string> {
    const text = await this.#text(method, path, body);
    if (!UUID.test(text)) throw this.#unexpected(method, path, text, "a UUID");
    return text;
  }

  /** A plain string: bare, or in JSON's quotes. */
  async #text(method: string, path: string, body?: object): Promise<string> {
    const text = (await this.#call(method, path, body)).trim();
    return text.replace(/^"(.*)"$/s, "$1").trim();
  }

  async #json<T>(method: string, path: string, body?: object, query?: Record<string, string | undefined>): Promise<T> {
    const text = await this.#call(method, path, body, query);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw this.#unexpected(method, path, text, "JSON");
    }
  }

  async #call(
    method: string,
    path: string,
    body?: object,
    query?: Record<string, string | undefined>,
  ): Promise<string> {
    const call = `${method} /${this.#api}${path}`;
    try {
      const { status, data } = await this.#http.request<string>({
        method,
        url: `/${this.#api}${path}`,
        params: query,
        ...(body ? { data: body } : {}),
      });
      if (status === 200) return data;
      const said = this.#blotted(data);
      throw new PropagatorError(call, status, said, readRefusal(status, said));
    } catch (error) {
      if (!isAxiosError(error)) throw error;
      // Axios hangs the request with its headers, the token among them, onto its errors: keep only the words.
      throw new PropagatorError(call, 0, "", { message: this.#blotted(`${error.code ?? "error"} ${error.message}`) });
    }
  }

  #unexpected(method: string, path: string, body: string, wanted: string): PropagatorError {
    const said = this.#blotted(body);
    return new PropagatorError(`${method} /${this.#api}${path}`, 200, said, {
      message: `${JSON.stringify(said.slice(0, 200))}, wanted ${wanted}`,
    });
  }

  #blotted(text: string): string {
    return this.#token === "" ? text : text.replaceAll(this.#token, "[token]");
  }
}
