/** Reading a kubeconfig: which server, and how to prove who we are. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import type { ValueMap } from "../rpc/values";
import { listAt, mapAt, textAt } from "./objects";

/** A server and the ways to it. */
export interface Cluster {
  /** URL of the API server. */
  server: string;
  /** Authorities that sign the server's certificate, PEM. */
  ca?: Buffer;
  insecure: boolean;
  /** Name that the server's certificate is checked against, when it is not the URL's host. */
  serverName?: string;
}

/** What proves the identity at one request. */
export interface Credentials {
  headers: Record<string, string>;
  cert?: Buffer;
  key?: Buffer;
}

/** One context of a kubeconfig, ready for use. */
export interface Connection {
  cluster: Cluster;
  /** Namespace of the context; "" when it names none. */
  namespace: string;
  credentials(): Promise<Credentials>;
}

/** Which part of a kubeconfig is wanted. */
export interface KubeconfigChoice {
  /** The kubeconfig itself, as YAML or JSON, or a path to it. Default: the files of KUBECONFIG, else the user's own. */
  kubeconfig?: string;
  context?: string;
  cluster?: string;
}

/**
 * The parsed kubeconfig.
 * @throws Error when there is none, or it cannot be read as one.
 */
export function loadKubeconfig(choice: KubeconfigChoice): { config: ValueMap; folder: string } {
  const given = choice.kubeconfig?.trim();
  if (given && (given.includes("\n") || given.startsWith("{")))
    return { config: asConfig(parse(given), "the kubeconfig"), folder: process.cwd() };
  const path = resolve(given ? given.replace(/^~(?=\/)/, homedir()) : defaultPath());
  if (!existsSync(path)) throw new Error(`no kubeconfig at ${path}; set kubeconfig on the provider, or KUBECONFIG`);
  return { config: asConfig(parse(readFileSync(path, "utf8")), path), folder: dirname(path) };
}

/**
 * The cluster entry that a kubeconfig choice leads to, as written; the identity of a cluster where no other is given.
 */
export function activeCluster(config: ValueMap, choice: KubeconfigChoice): ValueMap {
  const context = named(config, "contexts", choice.context ?? textAt(config, "current-context"));
  return mapAt(named(config, "clusters", choice.cluster ?? textAt(context, "context", "cluster")), "cluster");
}

/**
 * The connection that the choice describes.
 * @throws Error naming what the kubeconfig lacks.
 */
export function connect(choice: KubeconfigChoice): Connection {
  const { config, folder } = loadKubeconfig(choice);
  const contextName = choice.context ?? textAt(config, "current-context");
  const context = mapAt(named(config, "contexts", contextName), "context");
  const entry = activeCluster(config, choice);
  const server = textAt(entry, "server");
  if (server === "") throw new Error(`the kubeconfig's context "${contextName}" names no cluster with a server`);
  const user = mapAt(named(config, "users", textAt(context, "user")), "user");
  return {
    cluster: {
      server,
      ca: material(entry, "certificate-authority", folder),
      insecure: entry["insecure-skip-tls-verify"] === true,
      serverName: textAt(entry, "tls-server-name") || undefined,
    },
    namespace: textAt(context, "namespace"),
    credentials: credentialsOf(user, folder),
  };
}

function defaultPath(): string {
  const fromEnvironment = (process.env.KUBECONFIG ?? "").split(":").find((path) => path !== "" && existsSync(path));
  return fromEnvironment ?? join(homedir(), ".kube", "config");
}

function asConfig(parsed: unknown, what: string): ValueMap {
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw new Error(`${what} is not a kubeconfig: it holds no mapping`);
  return parsed as ValueMap;
}

function named(config: ValueMap, list: string, name: string): ValueMap {
  return mapAt(listAt(config, list).find((entry) => textAt(entry, "name") === name));
}

/** Bytes given in the kubeconfig itself (`NAME-data`, base64) or in a file beside it. */
function material(entry: ValueMap, name: string, folder: string): Buffer | undefined {
  const inline = textAt(entry, `${name}-data`);
  if (inline !== "") return Buffer.from(inline, "base64");
  const path = textAt(entry, name);
  return path === "" ? undefined : readFileSync(resolve(folder, path));
}

function credentialsOf(user: ValueMap, folder: string): () => Promise<Credentials> {
  const fixed: Credentials = {
    headers: {},
    cert: material(user, "client-certificate", folder),
    key: material(user, "client-key", folder),
  };
  const bearer = (token: string): Credentials => ({ ...fixed, headers: { authorization: `Bearer ${token.trim()}` } });
  const { exec } = user;
  if (exec !== undefined) {
    let cached: { until: number; credentials: Credentials } | undefined;
    return async () => {
      if (!cached || cached.until < Date.now()) cached = await runExecPlugin(mapAt(user, "exec"), folder);
      return cached.credentials;
    };
  }
  const token = textAt(user, "token");
  if (token !== "") return () => Promise.resolve(bearer(token));
  const tokenFile = textAt(user, "tokenFile");
  if (tokenFile !== "") return () => Promise.resolve(bearer(readFileSync(resolve(folder, tokenFile), "utf8")));
  const username = textAt(user, "username");
  if (username === "") return () => Promise.resolve(fixed);
  const basic = Buffer.from(`${username}:${textAt(user, "password")}`).toString("base64");
  return () => Promise.resolve({ ...fixed, headers: { authorization: `Basic ${basic}` } });
}

/** Asks a credential plugin, e.g. that of a cloud; its answer holds until the time it states, or a minute. */
async function runExecPlugin(exec: ValueMap, folder: string): Promise<{ until: number; credentials: Credentials }> {
  const apiVersion = textAt(exec, "apiVersion") || "client.authentication.k8s.io/v1";
  const environment = Object.fromEntries(
    listAt(exec, "env").map((entry) => [textAt(entry, "name"), textAt(entry, "value")]),
  );
  const { stdout } = await promisify(execFile)(textAt(exec, "command"), listAt(exec, "args").map(String), {
    cwd: folder,
    timeout: 60_000,
    env: {
      ...process.env,
      ...environment,
      KUBERNETES_EXEC_INFO: JSON.stringify({ apiVersion, kind: "ExecCredential", spec: { interactive: false } }),
    },
  });
  const status = mapAt(JSON.parse(stdout) as ValueMap, "status");
  const token = textAt(status, "token");
  const pem = (name: string): Buffer | undefined =>
    textAt(status, name) === "" ? undefined : Buffer.from(textAt(status, name));
  const expiry = Date.parse(textAt(status, "expirationTimestamp"));
  return {
    until: Number.isNaN(expiry) ? Date.now() + 60_000 : expiry - 10_000,
    credentials: {
      headers: token === "" ? {} : { authorization: `Bearer ${token}` },
      cert: pem("clientCertificateData"),
      key: pem("clientKeyData"),
    },
  };
}
