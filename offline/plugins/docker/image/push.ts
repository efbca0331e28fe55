/** Pushing a built image to its registry. */
import { authHeader, registryAuthHeader } from "../daemon/auth";
import { splitReference } from "../daemon/reference";
import type { Inputs } from "../inputs";
import type { Scope } from "../resources/resource";

interface PushEvent {
  status?: string;
  id?: string;
  error?: string;
  aux?: { Digest?: string };
}

/**
 * Pushes with the credentials of the image's `registry`, else those that the provider or the user's Docker
 * configuration has.
 * @returns the pushed manifest as `name@sha256:…`.
 * @throws Error with the registry's reason.
 */
export async function pushImage(
  imageName: string,
  registry: Inputs | undefined,
  { client, auths, log, signal }: Scope,
): Promise<string> {
  const { name, tag } = splitReference(imageName);
  const [username, password] = [registry?.text("username"), registry?.text("password")];
  const given = username && password ? { address: registry?.text("server") ?? "", username, password } : undefined;
  const known = authHeader(name, auths);
  const headers = given || Object.keys(known).length === 0 ? registryAuthHeader(given) : known;
  let digest: string | undefined;
  for await (const event of client.events<PushEvent>("POST", `/images/${name}/push`, {
    query: { tag },
    headers,
    signal,
  })) {
    if (event.error) throw new Error(`error pushing image ${imageName}: ${event.error}`);
    digest = event.aux?.Digest ?? digest;
    if (event.status) log.status([event.id, event.status].filter(Boolean).join(": "));
  }
  if (!digest) throw new Error(`the push of ${imageName} ended without a digest`);
  return `${name}@${digest}`;
}
