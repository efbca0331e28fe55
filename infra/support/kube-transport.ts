import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { UserError } from "./errors";
import { type ExecCredentials, runExecPlugin } from "./kube-exec";
import { entriesOf, type KubeconfigCluster, type KubeconfigUser, parseKubeconfig } from "./kubeconfig";
import { agentFor } from "./proxy-agent";
import { proxyOf } from "./proxy";
import { serverUrl } from "./server-url";

/** The way to an API server as kubectl goes it: address, proxy, TLS, credentials, impersonation. */
export interface KubeTransport {
  /** URL of the API server, without a slash at its end. */
  readonly server: string;
  /** Namespace of the context; `default` where it names none. */
  readonly namespace: string;
  /**
   * What a request of Node's `http` or `https` needs; a token file or an expired credential is read again. @throws
   * UserError E_KUBECONFIG
   */
  options(): Promise<https.RequestOptions & { headers: Record<string, string | string[]> }>;
  /** Forgets what a credential plugin said, after the server refused it. Returns whether asking it again can help. */
  renew(): boolean;
  close(): void;
}

/** Milliseconds for a connection to be made, and between two bytes of an answer. */
export const SILENCE = 10_000;

/**
 * Opens the current context of a kubeconfig that stands alone.
 * @throws UserError E_KUBECONFIG
 */
export function transportOf(kubeconfig: string, env: NodeJS.ProcessEnv = process.env): KubeTransport {
  const config = parseKubeconfig(kubeconfig);
  const name = config["current-context"] ?? "";
  const entries = entriesOf(config, name);
  const url = entries?.cluster && serverUrl(entries.cluster);
  if (!entries?.cluster || !url) {
    throw new UserError("E_KUBECONFIG", {
      seen: `context "${name}" leads to ${entries?.cluster ? `the server "${entries.cluster.server}"` : "no cluster"}`,
      wanted: "a current context with a cluster and the URL of its API server",
      next: "kubectl config view",
    });
  }
  const { context, cluster, user = {} } = entries;
  return open(url, cluster, user, { user: context.user, namespace: context.namespace ?? "default", env });
}

/**
 * Opens a cluster without credentials: whether it answers, and with whose certificate. @throws Error where it has no
 * address
 */
export function anonymousTransport(cluster: KubeconfigCluster, env: NodeJS.ProcessEnv = process.env): KubeTransport {
  return open(serverUrl(cluster)!, cluster, {}, { user: "", namespace: "default", env });
}

function open(
  url: URL,
  cluster: KubeconfigCluster,
  user: KubeconfigUser,
  { user: userName, namespace, env }: { user: string; namespace: string; env: NodeJS.ProcessEnv },
): KubeTransport {
  // kubectl gives a server without TLS no credentials.
  const secure = url.protocol === "https:";
  const fixed = { cert: material(user, "client-certificate"), key: material(user, "client-key") };
  const tls: https.RequestOptions = secure
    ? {
        ca: material(cluster, "certificate-authority"),
        rejectUnauthorized: !cluster["insecure-skip-tls-verify"],
        ...(cluster["tls-server-name"] ? { servername: cluster["tls-server-name"] } : {}),
      }
    : {};
  const agent = agentFor(url, proxyOf(cluster, env)?.url, {
    timeout: SILENCE,
    tls: {
      ...(tls.ca ? { ca: tls.ca } : {}),
      ...(tls.rejectUnauthorized === false ? { rejectUnauthorized: false } : {}),
    },
  });
  const usesPlugin = secure && user.exec !== undefined && user.token === undefined && user.tokenFile === undefined;
  let credentials: Promise<ExecCredentials> | undefined;
  const plugin = async (): Promise<ExecCredentials> => {
    const known = await credentials?.catch(() => undefined);
    if (!known || (known.until ?? Infinity) <= Date.now())
      credentials = runExecPlugin(user.exec!, { user: userName, cluster });
    return credentials!;
  };
  return {
    server: url.href.replace(/\/+$/, ""),
    namespace,
    options: async () => {
      const made = usesPlugin ? await plugin() : undefined;
      const authorization = secure ? authorizationOf(user, made) : undefined;
      return {
        agent,
        timeout: SILENCE,
        ...tls,
        ...(secure ? { cert: made?.cert ?? fixed.cert, key: made?.key ?? fixed.key } : {}),
        headers: { ...(authorization ? { authorization } : {}), ...impersonation(user) },
      };
    },
    renew: () => {
      credentials = undefined;
      return usesPlugin;
    },
    close: () => {
      agent.destroy();
    },
  };
}

/** A token file that can be read wins over a token, for it is the newer of the two. */
function authorizationOf(user: KubeconfigUser, made: ExecCredentials | undefined): string | undefined {
  const token = tokenOf(user) ?? made?.token;
  if (token !== undefined) return `Bearer ${token}`;
  return user.username === undefined
    ? undefined
    : `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
}

function tokenOf({ token, tokenFile }: KubeconfigUser): string | undefined {
  if (tokenFile === undefined) return token;
  try {
    return readFileSync(tokenFile, "utf8").trim();
  } catch (cause) {
    if (token !== undefined) return token;
    throw new UserError("E_KUBECONFIG", {
      seen: `tokenFile: ${(cause as Error).message}`,
      wanted: "a file with a token",
      next: `ls -l ${tokenFile}`,
      cause,
    });
  }
}

function impersonation(user: KubeconfigUser): Record<string, string | string[]> {
  if (user.as === undefined) return {};
  const extra = Object.entries(user["as-user-extra"] ?? {}).map(
    ([key, values]) => [`Impersonate-Extra-${encodeURIComponent(key)}`, values] as const,
  );
  return {
    "Impersonate-User": user.as,
    ...(user["as-uid"] ? { "Impersonate-Uid": user["as-uid"] } : {}),
    ...(user["as-groups"] ? { "Impersonate-Group": user["as-groups"] } : {}),
    ...Object.fromEntries(extra),
  };
}

function material<K extends string>(from: Partial<Record<K | `${K}-data`, string>>, key: K): Buffer | undefined {
  const [path, data] = [from[key], from[`${key}-data`]];
  return data === undefined ? (path === undefined ? undefined : readFileSync(path)) : Buffer.from(data, "base64");
}

/** What a request without a deadline of its own may take in all, in milliseconds. */
export const CALL_DEADLINE = 15_000;

export interface KubeAnswer {
  status: number;
  body: string;
  type: string;
}

export interface KubeCall {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  /** Path of the API, with a slash at its start. */
  path: string;
  body?: object;
  contentType?: string;
  signal?: AbortSignal;
  /** Milliseconds for all of it, a credential plugin's time left out; default 15 000. */
  deadline?: number;
}

/**
 * Makes one request and reads its answer. A server that accepts and stays silent, a handshake or a proxy that hangs,
 * an answer that does not end: all end at the deadline.
 * @throws Error that names the server and the reason; UserError E_KUBECONFIG where there are no credentials
 */
export async function call(transport: KubeTransport, request: KubeCall): Promise<KubeAnswer> {
  const answer = await send(transport, request);
  return answer.status === 401 && transport.renew() ? send(transport, request) : answer;
}

async function send(
  transport: KubeTransport,
  { method = "GET", path, body, contentType = "application/json", signal, deadline = CALL_DEADLINE }: KubeCall,
): Promise<KubeAnswer> {
  const options = await transport.options();
  const expiry = AbortSignal.timeout(deadline);
  const ended = signal ? AbortSignal.any([signal, expiry]) : expiry;
  const url = `${transport.server}${path}`;
  const text = body && JSON.stringify(body);
  const headers = {
    accept: "application/json",
    ...options.headers,
    ...(text === undefined ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(text) }),
  };
  return new Promise((resolve, reject) => {
    const { pathname } = new URL(url);
    const late = (ms: number) => new Error(`${pathname} did not answer within ${ms / 1000} s`);
    const failed = (error: Error) => {
      reject(expiry.aborted ? late(deadline) : error);
    };
    // A request that still waits for its way through a proxy says nothing when it is ended.
    ended.addEventListener(
      "abort",
      () => {
        failed(ended.reason as Error);
      },
      { once: true },
    );
    const request = (url.startsWith("https:") ? https : http).request(
      url,
      { ...options, method, headers, signal: ended },
      (response) => {
        const chunks: Buffer[] = [];
        response
          .on("data", (chunk: Buffer) => chunks.push(chunk))
          .on("error", failed)
          .on("end", () => {
            resolve({
              status: response.statusCode ?? 0,
              body: Buffer.concat(chunks).toString(),
              type: response.headers["content-type"] ?? "",
            });
          });
      },
    );
    request
      .on("timeout", () => request.destroy(late(SILENCE)))
      .on("error", failed)
      .end(text);
  });
}
