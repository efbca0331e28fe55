/** Credentials for registries. */
import { join } from "node:path";
import { configFolder, readJson } from "./endpoint";
import { registryOf } from "./reference";

export interface RegistryAuth {
  address: string;
  username: string;
  password: string;
}

/** The header by which the daemon gets the credentials for an image; none when there are none. */
export function authHeader(image: string, auths: readonly RegistryAuth[]): Record<string, string> {
  const auth = auths.find(({ address }) => hostOf(address) === hostOf(registryOf(image)));
  return auth ? registryAuthHeader(auth) : {};
}

/** The header with these credentials; an empty object in it means anonymous access. */
export function registryAuthHeader(auth: RegistryAuth | undefined): Record<string, string> {
  const content = auth ? { username: auth.username, password: auth.password, serveraddress: auth.address } : {};
  return { "X-Registry-Auth": headerJson(content) };
}

/**
 * JSON in a header: URL-safe base64 with padding. Without the padding the daemon takes it for nothing, and says
 * nothing.
 */
export function headerJson(content: unknown): string {
  return Buffer.from(JSON.stringify(content)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** What `docker login` has stored in the CLI's configuration file; credential helpers are not asked. */
export function userAuths(env: NodeJS.ProcessEnv): RegistryAuth[] {
  const config = readJson(join(configFolder(env), "config.json")) as
    { auths?: Record<string, { auth?: string }> } | undefined;
  return Object.entries(config?.auths ?? {}).flatMap(([address, { auth }]) => {
    const [, username, password] = /^([^:]+):(.+)$/s.exec(Buffer.from(auth ?? "", "base64").toString("utf8")) ?? [];
    return username && password ? [{ address, username, password }] : [];
  });
}

/** Docker Hub has several addresses. */
function hostOf(address: string): string {
  const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return /^(index\.|registry-1\.)?docker\.io$/.test(host) ? "docker.io" : host;
}
