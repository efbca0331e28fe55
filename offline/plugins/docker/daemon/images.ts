/** Images in the daemon's store, and getting them there. */
import type { DockerClient } from "./client";
import { authHeader, type RegistryAuth } from "./auth";
import { splitReference } from "./reference";

export interface ImageInspect {
  Id: string;
  RepoTags: string[] | null;
  RepoDigests: string[] | null;
}

/** The image of a reference or id; undefined when the store lacks it. */
export function inspectImage(client: DockerClient, reference: string): Promise<ImageInspect | undefined> {
  return client.find<ImageInspect>(`/images/${encodeURIComponent(reference)}/json`);
}

export interface PullOptions {
  platform?: string;
  auths: readonly RegistryAuth[];
  signal: AbortSignal;
  /** Told what the pull is doing. */
  onStatus: (line: string) => void;
}

/**
 * The image from the store, pulled when it is not there.
 * @throws Error that names the image and why it cannot be had.
 */
export async function ensureImage(
  client: DockerClient,
  reference: string,
  options: PullOptions,
): Promise<ImageInspect> {
  const there = await inspectImage(client, reference);
  if (there) return there;
  if (/^sha256:/.test(reference))
    throw new Error(`unable to find image ${reference} in the local store, and an image id cannot be pulled`);
  try {
    await pullImage(client, reference, options);
  } catch (error) {
    throw new Error(
      `unable to find or pull image ${reference}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    );
  }
  const pulled = await inspectImage(client, reference);
  if (!pulled) throw new Error(`image ${reference} was pulled but is not in the local store`);
  return pulled;
}

/** Pulls an image whether it is there or not. */
export async function pullImage(
  client: DockerClient,
  reference: string,
  { platform, auths, signal, onStatus }: PullOptions,
): Promise<void> {
  const { name, tag } = splitReference(reference);
  const query = { fromImage: name, tag, platform };
  for await (const event of client.events<{ error?: string; status?: string }>("POST", "/images/create", {
    query,
    headers: authHeader(name, auths),
    signal,
  })) {
    if (event.error) throw new Error(event.error);
    if (event.status) onStatus(event.status);
  }
}
