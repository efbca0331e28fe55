/**
 * Where the Docker daemon is: what the provider was told, else the environment, else the CLI's context, else the
 * default socket.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A daemon's address in the form that node:http wants. */
export type Endpoint =
  | { kind: "socket"; socketPath: string; shown: string }
  | { kind: "tcp"; host: string; port: number; tls?: TlsFiles; shown: string };
export interface TlsFiles {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

export const DEFAULT_SOCKET = "/var/run/docker.sock";

/** What the provider's configuration says of the daemon. */
export interface EndpointWish {
  host?: string;
  context?: string;
  certPath?: string;
}

/** @throws Error for an address that this plugin cannot use, or a context that does not exist. */
export function findEndpoint(wish: EndpointWish, env: NodeJS.ProcessEnv = process.env): Endpoint {
  if (wish.context) return contextEndpoint(wish.context, env);
  if (wish.host) return parseHost(wish.host, tlsFiles(wish.certPath ?? tlsFolder(env)));
  if (env.DOCKER_HOST) return parseHost(env.DOCKER_HOST, tlsFiles(tlsFolder(env)));
  return contextEndpoint(env.DOCKER_CONTEXT || currentContext(env) || "default", env);
}

/** An address as DOCKER_HOST has it: `unix:///path`, `tcp://host:port`, `http(s)://host:port`. */
export function parseHost(address: string, tls?: TlsFiles): Endpoint {
  const [, scheme, rest = ""] = /^(\w+):\/\/(.*)$/.exec(address) ?? [];
  if (scheme === "unix") return { kind: "socket", socketPath: rest, shown: address };
  if (scheme === "tcp" || scheme === "http" || scheme === "https") {
    const url = new URL(`http://${rest}`);
    const secure = tls ?? (scheme === "https" ? {} : undefined);
    return {
      kind: "tcp",
      host: url.hostname,
      port: Number(url.port || (secure ? 2376 : 2375)),
      ...(secure ? { tls: secure } : {}),
      shown: address,
    };
  }
  throw new Error(
    `the Docker address ${JSON.stringify(address)} is not one that the registry-only plugin can use (unix://, tcp://, https://)`,
  );
}

function contextEndpoint(name: string, env: NodeJS.ProcessEnv): Endpoint {
  if (name === "default") return { kind: "socket", socketPath: DEFAULT_SOCKET, shown: `unix://${DEFAULT_SOCKET}` };
  // The CLI files a context under the SHA-256 of its name.
  const id = createHash("sha256").update(name).digest("hex");
  const meta = readJson(join(configFolder(env), "contexts", "meta", id, "meta.json")) as
    { Endpoints?: { docker?: { Host?: string } } } | undefined;
  const host = meta?.Endpoints?.docker?.Host;
  if (!host)
    throw new Error(
      `the Docker context ${JSON.stringify(name)} does not exist; "docker context ls" shows those that do`,
    );
  return parseHost(host, tlsFiles(join(configFolder(env), "contexts", "tls", id, "docker")));
}

function currentContext(env: NodeJS.ProcessEnv): string | undefined {
  return (readJson(join(configFolder(env), "config.json")) as { currentContext?: string } | undefined)?.currentContext;
}

/** The CLI's configuration folder. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  return env.DOCKER_CONFIG || join(homedir(), ".docker");
}

function tlsFolder(env: NodeJS.ProcessEnv): string | undefined {
  return env.DOCKER_TLS_VERIFY ? env.DOCKER_CERT_PATH || configFolder(env) : undefined;
}

function tlsFiles(folder: string | undefined): TlsFiles | undefined {
  if (!folder) return undefined;
  const [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map((name) => readIfThere(join(folder, name)));
  return ca || cert ? { ca, cert, key } : undefined;
}

/** The parsed file; undefined when there is none. */
export function readJson(path: string): unknown {
  const content = readIfThere(path);
  return content ? JSON.parse(content.toString("utf8")) : undefined;
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // All these files are optional.
  }
}
