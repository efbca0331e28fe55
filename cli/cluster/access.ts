import type { KubeConfig } from "@kubernetes/client-node";
import { existsSync, readFileSync } from "node:fs";
import https from "node:https";
import { kubeconfigFile, ownerOf } from "../../infra/naming";
import { thingsOf } from "../clean-up/docker-things";
import { tryRun } from "../../infra/support/exec";
import { ROOT } from "../paths";
import { clear, stateInClear, type StackState } from "../stack/stack-state";

/** Milliseconds for one call: who asks here asks about something that may be dead. */
const CALL_DEADLINE = 8_000;

/** A cluster, as far as clean-up and evidence need it: any credentials that a kubeconfig can hold, any path. */
export interface ClusterAccess {
  readonly server: string;
  /** What stands at a path of the API; nothing where the server says 404. */
  get<T>(path: string): Promise<T | undefined>;
  /** The same as it is: a log. */
  text(path: string): Promise<string>;
  /** Merges fields into what stands at a path. */
  merge(path: string, fields: object): Promise<void>;
  /**
   * Deletes what stands at a path; what is gone already is no error.
   * @returns false when it is not the one that `preconditions` describe, and nothing was deleted
   */
  remove(path: string, options?: DeleteOptions): Promise<boolean>;
  close(): void;
}

/** How something is deleted, in the API's own words (`DeleteOptions`). */
export interface DeleteOptions {
  /** Only this very object, in this very version. */
  preconditions?: { uid?: string; resourceVersion?: string };
  gracePeriodSeconds?: number;
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
}

/**
 * The kubeconfig of a stack whatever became of its `up`: from its state, its file, or its node.
 * @param state of the stack in clear, where the caller has it already
 */
export async function kubeconfigOf(stack: string, state?: StackState, signal?: AbortSignal): Promise<string | undefined> {
  const known = state ?? await stateInClear(stack, signal);
  const inputs = known?.resources.find(({ type }) => type === "pulumi:providers:kubernetes")?.inputs;
  const fromState = clear(inputs?.["kubeconfig"]);
  if (typeof fromState === "string" && fromState.includes("apiVersion")) return fromState;
  const file = kubeconfigFile(ROOT, stack);
  if (existsSync(file)) return readFileSync(file, "utf8");
  return fromNode(stack, signal);
}

/** Opens the current context of a kubeconfig. */
export async function openCluster(kubeconfig: string, signal?: AbortSignal): Promise<ClusterAccess> {
  const client = await import("@kubernetes/client-node");
  const config = new client.KubeConfig();
  config.loadFromString(kubeconfig);
  const server = config.getCurrentCluster()?.server.replace(/\/+$/, "");
  if (!server) throw new Error("the kubeconfig has no current cluster");
  const agent = new https.Agent({ keepAlive: true });
  const demand = async (method: Method, path: string, fields?: object): Promise<string | undefined> => {
    const { status, body } = await request(config, `${server}${path}`, { method, agent, signal, fields });
    if (status === 404) return undefined;
    if (status === 409 && method === "DELETE") return CONFLICT;
    if (status >= 300) throw new Error(`${path} answered ${status}: ${messageOf(body)}`);
    return body;
  };
  return {
    server,
    get: async <T>(path: string) => { const body = await demand("GET", path); return body === undefined ? undefined : JSON.parse(body) as T; },
    text: async (path) => (await demand("GET", path)) ?? "",
    merge: async (path, fields) => { await demand("PATCH", path, fields); },
    remove: async (path, options) => (await demand("DELETE", path, options && { kind: "DeleteOptions", apiVersion: "v1", ...options })) !== CONFLICT,
    close: () => { agent.destroy(); },
  };
}

/** k3s and kubeadm keep one in the node, for a port that means something only in there. */
async function fromNode(stack: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const options = { timeout: 10_000, ...(signal ? { signal } : {}) };
  const nodes = (await thingsOf(ownerOf(ROOT, stack))).filter(({ kind }) => kind === "container");
  for (const { name } of nodes) {
    const inside = await tryRun(["docker", "exec", name, "sh", "-c", "cat /etc/rancher/k3s/k3s.yaml 2>/dev/null || cat /etc/kubernetes/admin.conf"], options).catch(() => undefined);
    const port = await tryRun(["docker", "port", name, "6443/tcp"], options).catch(() => undefined);
    const address = port?.stdout.split("\n")[0];
    if (inside?.exitCode === 0 && address) return inside.stdout.replace(/server: https:\/\/\S+/, `server: https://${address.replace("0.0.0.0", "127.0.0.1")}`);
  }
  return undefined;
}

type Method = "GET" | "PATCH" | "DELETE";

/** In place of the body of a deletion whose preconditions do not hold. */
const CONFLICT = "conflict";

async function request(config: KubeConfig, url: string, { method, agent, signal, fields }: { method: Method; agent: https.Agent; signal: AbortSignal | undefined; fields: object | undefined }): Promise<{ status: number; body: string }> {
  const deadline = AbortSignal.timeout(CALL_DEADLINE);
  const options: https.RequestOptions = { method, agent, signal: signal ? AbortSignal.any([signal, deadline]) : deadline };
  await config.applyToHTTPSOptions(options);
  // Its own agent would be thrown away after each call, with its connection.
  if (!config.getCurrentCluster()?.proxyUrl) options.agent = agent;
  const text = fields && JSON.stringify(fields);
  // Node sends a DELETE's body without saying how long it is, and the server takes it for the next request.
  if (text !== undefined) options.headers = { ...options.headers, "content-length": Buffer.byteLength(text), "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json" };
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => { reject(deadline.aborted ? new Error(`${url} did not answer within ${CALL_DEADLINE / 1000} s`) : error); };
    https.request(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", failed)
        .on("end", () => { resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }); });
    }).on("error", failed).end(text);
  });
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? "";
  } catch {
    return body.slice(0, 200);
  }
}
