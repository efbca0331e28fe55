import { spawnSync } from "node:child_process";

/** Label by which kind knows its containers. kind puts no other label on them, and none can be added. */
export const KIND_LABEL = "io.x-k8s.kind.cluster";

/** What `docker container inspect` says, as far as ownership needs it. */
export interface InspectedContainer {
  Id: string;
  Name: string;
  Created: string;
  /** Content id of its image. */
  Image: string;
  Config: { Image: string; Labels?: Record<string, string> | null };
  HostConfig: { NetworkMode: string };
  NetworkSettings: { Networks?: Record<string, { NetworkID?: string }> | null };
}

/** The same of a network. */
export interface InspectedNetwork {
  Id: string;
  Name: string;
  Created: string;
  Labels?: Record<string, string> | null;
}

/** The same of a volume, which has no id: its name is all there is. */
export interface InspectedVolume {
  Name: string;
  CreatedAt?: string;
  Labels?: Record<string, string> | null;
}

/** The same of an image. */
export interface InspectedImage {
  Id: string;
  Config?: { Labels?: Record<string, string> | null } | null;
}

interface Inspected {
  container: InspectedContainer;
  network: InspectedNetwork;
  volume: InspectedVolume;
  image: InspectedImage;
}

/**
 * Returns those of the named things that exist. Blocks, because what the program declares depends on it; a Docker that
 * does not answer has none of them.
 */
export function inspectNow<K extends keyof Inspected>(kind: K, names: readonly string[]): Inspected[K][] {
  if (names.length === 0) return [];
  // Docker prints what it found and ends with 1 when something is missing.
  const argv = [kind, "inspect", ...names];
  const { stdout } = spawnSync("docker", argv, {
    encoding: "utf8",
    timeout: 20_000,
    maxBuffer: 64 << 20,
    env: process.env,
  });
  try {
    return JSON.parse(stdout || "[]") as Inspected[K][];
  } catch {
    return [];
  }
}

/** Returns the ids of all containers, stopped ones too, that carry a label (`key=value`). Blocks. */
export function containersNow(label: string): string[] {
  const argv = ["ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${label}`];
  const { stdout } = spawnSync("docker", argv, { encoding: "utf8", timeout: 20_000, env: process.env });
  return (stdout || "").split("\n").filter(Boolean);
}

/**
 * Returns the labels that were put on a container itself. A container also shows those of its image, so that one
 * made from a `docker commit` of a node would look like that node's stack made it.
 */
export function ownLabels(
  labels: Readonly<Record<string, string>>,
  imageLabels: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key, value]) => imageLabels[key] !== value));
}

/**
 * Returns whether kind made a container as a node in this very network. kind's nodes carry no label of ours, but the
 * network does, and it exists before the nodes. So a node belongs to the network's owner if it was created with the
 * network (which a later `docker network connect` does not change), is attached to it by id (a name can be given
 * again), and is younger than it. The cluster's name alone proves nothing.
 */
export function isNodeOf(node: InspectedContainer, network: InspectedNetwork): boolean {
  if (node.Config.Labels?.[KIND_LABEL] !== network.Name) return false;
  if (![network.Name, network.Id].includes(node.HostConfig.NetworkMode)) return false;
  const attached = Object.values(node.NetworkSettings.Networks ?? {}).map(({ NetworkID = "" }) => NetworkID);
  // Docker knows no id for the network of a container that was never started.
  if (!attached.some((id) => id === network.Id || id === "")) return false;
  return Date.parse(node.Created) >= Date.parse(network.Created);
}
