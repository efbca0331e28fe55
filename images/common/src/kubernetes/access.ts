import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parse as parseYaml } from "yaml";

/** How the cluster's API is reached. */
export interface KubeAccess {
  host: string;
  port: number;
  ca?: string;
  cert?: string;
  key?: string;
  /** Bearer token of now; service account tokens are replaced on disk while the pod runs. */
  token(): string | undefined;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_AGE_MS = 30_000;

/**
 * Access by a kubeconfig file, or by the pod's service account when `kubeconfig` is null. @throws Error naming what is
 * missing
 */
export function loadAccess(kubeconfig: string | null, env: NodeJS.ProcessEnv): KubeAccess {
  return kubeconfig === null ? inCluster(env) : fromKubeconfig(kubeconfig);
}

function inCluster(env: NodeJS.ProcessEnv): KubeAccess {
  const host = env["KUBERNETES_SERVICE_HOST"];
  if (!host)
    throw new Error(
      "no kubeconfig is named and KUBERNETES_SERVICE_HOST is not set: run in a pod with a service account, or name a kubeconfig file",
    );
  return {
    host,
    port: Number(env["KUBERNETES_SERVICE_PORT"] ?? 443),
    ca: readFileSync(path.join(SERVICE_ACCOUNT, "ca.crt"), "utf8"),
    token: tokenFile(path.join(SERVICE_ACCOUNT, "token")),
  };
}

function tokenFile(file: string): () => string {
  let token = readFileSync(file, "utf8").trim();
  let readAt = Date.now();
  return () => {
    if (Date.now() - readAt > TOKEN_AGE_MS) {
      token = readFileSync(file, "utf8").trim();
      readAt = Date.now();
    }
    return token;
  };
}

interface Named<K extends string> {
  name: string;
  [key: string]: unknown;
  cluster?: K extends "cluster" ? Record<string, string> : never;
  user?: K extends "user" ? Record<string, string> : never;
  context?: K extends "context" ? Record<string, string> : never;
}
interface Kubeconfig {
  "current-context"?: string;
  clusters?: Named<"cluster">[];
  users?: Named<"user">[];
  contexts?: Named<"context">[];
}

function fromKubeconfig(file: string): KubeAccess {
  statSync(file); // a missing file is named by this error
  const config = parseYaml(readFileSync(file, "utf8")) as Kubeconfig;
  const find = <T extends { name: string }>(list: T[] | undefined, name: string | undefined, kind: string): T => {
    const found = list?.find((each) => each.name === name);
    if (!found) throw new Error(`${file}: no ${kind} named "${name ?? ""}"`);
    return found;
  };
  const context = find(config.contexts, config["current-context"], "context").context ?? {};
  const cluster = find(config.clusters, context["cluster"], "cluster").cluster ?? {};
  const user = find(config.users, context["user"], "user").user ?? {};
  const pem = (from: Record<string, string>, key: string): string | undefined => {
    const data = from[`${key}-data`];
    if (data) return Buffer.from(data, "base64").toString("utf8");
    return from[key] ? readFileSync(path.resolve(path.dirname(file), from[key]), "utf8") : undefined;
  };
  const cert = pem(user, "client-certificate");
  const token = user["token"]
    ? () => user["token"]
    : user["tokenFile"]
      ? tokenFile(user["tokenFile"])
      : () => undefined;
  if (!cert && !token())
    throw new Error(`${file}: the user needs a client certificate or a token; other ways to log in are not supported`);
  const server = new URL(cluster["server"] ?? "");
  return {
    host: server.hostname,
    port: Number(server.port || 443),
    ca: pem(cluster, "certificate-authority"),
    cert,
    key: pem(user, "client-key"),
    token,
  };
}
