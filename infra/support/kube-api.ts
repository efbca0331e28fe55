import { readFileSync } from "node:fs";
import https from "node:https";
import { parse } from "yaml";
import { run } from "./exec";
import type { Kubeconfig, KubeconfigUser } from "./kubeconfig";

/** A list as the API server gives it. */
export interface KubeList<T> {
  items: T[];
}

/** What the program must ask of a cluster before it declares anything in it. */
export interface KubeApi {
  readonly server: string;
  /** The object at a path such as `/api/v1/nodes`, or the text at one that has no JSON; nothing where the server says 404. */
  get<T>(path: string): Promise<T | undefined>;
  /** Makes an object that no state knows, in the collection at a path, and gives it as it was made. */
  create<T>(path: string, object: object): Promise<T>;
  /** Removes the object at a path; one that is not there is removed already. */
  remove(path: string): Promise<void>;
  close(): void;
}

/** Opens a kubeconfig's current context. A full client would cost half a second at every run of the program. */
export async function openKubeApi(kubeconfig: string): Promise<KubeApi> {
  const config = parse(kubeconfig) as Kubeconfig;
  const context = config.contexts!.find((entry) => entry.name === config["current-context"])!.context;
  const cluster = config.clusters!.find((entry) => entry.name === context.cluster)!.cluster;
  const user = await credentialsOf(config.users!.find((entry) => entry.name === context.user)!.user);
  const agent = new https.Agent({
    keepAlive: true, ca: decode(cluster["certificate-authority-data"]), rejectUnauthorized: !cluster["insecure-skip-tls-verify"],
    cert: decode(user["client-certificate-data"]), key: decode(user["client-key-data"]),
    ...(cluster["tls-server-name"] ? { servername: cluster["tls-server-name"] } : {}),
  });
  const token = user.tokenFile ? readFileSync(user.tokenFile, "utf8").trim() : user.token;
  const basic = user.username ? `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}` : undefined;
  const authorization = token ? `Bearer ${token}` : basic;
  const base = cluster.server.replace(/\/$/, "");
  const options = { agent, headers: authorization ? { authorization } : {}, timeout: 5_000 };
  return {
    server: cluster.server,
    get: (path) => requestJson(`${base}${path}`, options),
    create: async <T>(path: string, object: object) => (await requestJson<T>(`${base}${path}`, { ...options, method: "POST" }, object))!,
    remove: async (path) => { await requestJson(`${base}${path}`, { ...options, method: "DELETE" }); },
    close: () => { agent.destroy(); },
  };
}

/** Credentials that a program makes, as cloud providers do (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins). */
async function credentialsOf(user: KubeconfigUser): Promise<KubeconfigUser> {
  if (!user.exec) return user;
  const { command, args, env, apiVersion } = user.exec;
  const given = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  const answer = await run([command, ...(args ?? [])], {
    env: { ...given, KUBERNETES_EXEC_INFO: JSON.stringify({ apiVersion, kind: "ExecCredential", spec: { interactive: false } }) }, timeout: 30_000,
  });
  const { status } = JSON.parse(answer) as { status?: { token?: string; clientCertificateData?: string; clientKeyData?: string } };
  const encode = (pem: string | undefined) => (pem === undefined ? undefined : Buffer.from(pem).toString("base64"));
  const [cert, key] = [encode(status?.clientCertificateData), encode(status?.clientKeyData)];
  return { ...(status?.token ? { token: status.token } : {}), ...(cert && key ? { "client-certificate-data": cert, "client-key-data": key } : {}) };
}

function decode(base64: string | undefined): Buffer | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, "base64");
}

/** The answer as JSON, or as text where it is none; nothing for 404. @throws Error with the server's own words */
function requestJson<T>(url: string, options: https.RequestOptions, body?: object): Promise<T | undefined> {
  const { pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const headers = { ...options.headers as Record<string, string>, ...(body ? { "content-type": "application/json" } : {}) };
    const request = https.request(url, { ...options, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const status = response.statusCode ?? 0;
        const answer = /json/.test(response.headers["content-type"] ?? "") ? JSON.parse(text) as T : text;
        if (status === 404 && !body) resolve(undefined);
        else if (status >= 200 && status < 300) resolve(answer as T);
        else reject(new Error(`${pathname} answered ${status || "nothing"}${wordsOf(answer)}`));
      });
    });
    request.on("timeout", () => request.destroy(new Error(`${pathname} did not answer within 5 s`)));
    request.on("error", reject);
    request.end(body && JSON.stringify(body));
  });
}

/** The message of a `Status`, which tells why a call was refused. */
function wordsOf(answer: unknown): string {
  const message = typeof answer === "object" ? (answer as { message?: string } | null)?.message : undefined;
  return message ? `: ${message}` : "";
}
