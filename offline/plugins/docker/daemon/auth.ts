/** Credentials for registries. */
import { registryOf } from "./images";

export interface RegistryAuth { address: string; username: string; password: string }

/** The header by which the daemon gets the credentials for an image; none when there are none. */
export function authHeader(image: string, auths: readonly RegistryAuth[]): Record<string, string> {
  const auth = auths.find(({ address }) => hostOf(address) === hostOf(registryOf(image)));
  return auth ? registryAuthHeader(auth) : {};
}

/** The header with these credentials; an empty object in it means anonymous access. */
export function registryAuthHeader(auth: RegistryAuth | undefined): Record<string, string> {
  const content = auth ? { username: auth.username, password: auth.password, serveraddress: auth.address } : {};
  return { "X-Registry-Auth": Buffer.from(JSON.stringify(content)).toString("base64url") };
}

/** Docker Hub has several addresses. */
function hostOf(address: string): string {
  const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return /^(index\.|registry-1\.)?docker\.io$/.test(host) ? "docker.io" : host;
}
