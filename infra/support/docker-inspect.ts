import { spawnSync } from "node:child_process";
import { requireAnswer } from "./docker-answer";
import { UserError } from "./errors";
import { pasteable } from "./exec";

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
 * Returns those of the named things that exist. Blocks, because what the program declares depends on it.
 * @throws UserError E_TOOL_MISSING, E_DOCKER_MISSING, E_COMMAND, E_COMMAND_TIMEOUT if Docker does not say which exist
 */
export function inspectNow<K extends keyof Inspected>(kind: K, names: readonly string[]): Inspected[K][] {
  if (names.length === 0) return [];
  // Docker prints what it found and ends with 1 when something is missing.
  return JSON.parse(askNow(["docker", kind, "inspect", ...names]) || "[]") as Inspected[K][];
}

/**
 * Returns the ids of all containers, stopped ones too, that carry a label (`key=value`). Blocks.
 * @throws UserError as `inspectNow`
 */
export function containersNow(label: string): string[] {
  const argv = ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${label}`] as const;
  return askNow(argv).split("\n").filter(Boolean);
}

/**
 * Returns what a `docker` command printed that may say that there is no such thing. Blocks.
 * @param timeout milliseconds
 * @throws UserError as `inspectNow`
 */
export function askNow(argv: readonly [string, ...string[]], timeout = 20_000): string {
  const [file, ...words] = argv;
  const options = { encoding: "utf8", timeout, maxBuffer: 64 << 20, env: process.env } as const;
  const { error, status, stdout, stderr } = spawnSync(file, words, options);
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  if (code === "ENOENT")
    throw new UserError("E_TOOL_MISSING", {
      seen: `no program "${file}" on PATH`,
      wanted: file,
      next: "npm run setup",
    });
  if (code === "ETIMEDOUT") {
    throw new UserError("E_COMMAND_TIMEOUT", {
      seen: `still running after ${timeout / 1000} s`,
      wanted: "an end",
      next: pasteable(argv),
    });
  }
  requireAnswer(argv, { exitCode: status ?? 128, stderr: stderr || (error?.message ?? "") });
  return stdout;
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
