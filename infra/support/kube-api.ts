import { readFileSync } from "node:fs";
import https from "node:https";
import { parse } from "yaml";
import { run } from "./exec";
import type { Kubeconfig, KubeconfigUser } from "./kubeconfig";

/** A list as the API server gives it. */
export interface KubeList<T> {
  items: T[];
}

/** What the program must ask of a cluster before it declares anything in it; read-only. */
export interface KubeApi {
  readonly server: string;
  /** The object at a path such as `/api/v1/nodes`, or nothing where the server says 404. */
  get<T>(path: string): Promise<T | undefined>;
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
  return {
    server: cluster.server,
    get: (path) => getJson(`${cluster.server.replace(/\/$/, "")}${path}`, { agent, headers: authorization ? { authorization } : {}, timeout: 5_000 }),
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

function getJson<T>(url: string, options: https.RequestOptions): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const request = https.get(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 404) resolve(undefined);
        else if (response.statusCode === 200) resolve((text.startsWith("{") ? JSON.parse(text) : text) as T);
        else reject(new Error(`${new URL(url).pathname} answered ${response.statusCode ?? "nothing"}`));
      });
    });
    request.on("timeout", () => request.destroy(new Error(`${new URL(url).pathname} did not answer within 5 s`)));
    request.on("error", reject);
  });
}
