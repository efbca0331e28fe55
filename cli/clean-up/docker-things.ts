import { clusterName, LABELS, type Owner, PREFIX } from "../../infra/naming";
import { pasteable, run, tryRun } from "../../infra/support/exec";

/** Label by which kind knows its containers; it allows no other on them. */
export const KIND_LABEL = "io.x-k8s.kind.cluster";

/** Kinds of things in Docker, in the order in which they can be removed. */
export const DOCKER_KINDS = ["container", "network", "volume"] as const;
export type DockerKind = (typeof DOCKER_KINDS)[number];

/** Set in a container of cli/container to its own name: what runs in there must not take it for something that is left. */
export const SELF_VARIABLE = "BAY_E2E_CONTAINER";

/** A container, network or volume that carries a label of this project, or of a kind cluster. */
export interface DockerThing {
  kind: DockerKind;
  name: string;
  labels: Record<string, string>;
  /** ISO 8601; empty where Docker does not tell. */
  created: string;
}

/** What Docker has of one owner: by its label, and the nodes of its kind cluster. Empty where no Docker answers. */
export async function thingsOf(owner: Owner): Promise<DockerThing[]> {
  const [labelled, kindNodes] = await Promise.all([
    Promise.all(DOCKER_KINDS.map((kind) => list(kind, `label=${LABELS.owner}=${owner.id}`))).then((found) => found.flat()),
    list("container", `label=${KIND_LABEL}`),
  ]);
  const clusters = new Set([clusterName(owner), ...labelled.filter(({ kind }) => kind === "network").map(({ name }) => name)]);
  return [...labelled, ...kindNodes.filter(({ labels }) => clusters.has(labels[KIND_LABEL]!))];
}

/** What Docker has of any owner. A kind node belongs to whoever made the network of its cluster's name. */
export async function thingsOfAll(): Promise<DockerThing[]> {
  const found = await Promise.all([...DOCKER_KINDS.map((kind) => list(kind, `label=${LABELS.owner}`)), list("container", `label=${KIND_LABEL}`)]);
  const [containers, networks, volumes, kindNodes] = found as [DockerThing[], DockerThing[], DockerThing[], DockerThing[]];
  const ours = kindNodes.flatMap((node) => {
    const network = networks.find(({ name }) => name === node.labels[KIND_LABEL]);
    return network ? [{ ...node, labels: { ...network.labels, ...node.labels } }] : [];
  });
  return [...containers, ...ours, ...networks, ...volumes];
}

/** Removes things of Docker, with the anonymous volumes of its containers; what is gone already is no error. */
export async function removeThings(things: readonly DockerThing[]): Promise<void> {
  for (const kind of DOCKER_KINDS) {
    const names = things.filter((thing) => thing.kind === kind).map(({ name }) => name);
    if (names.length > 0) await run([...REMOVE[kind], ...names]);
  }
}

/**
 * Takes a stack's name off the images that were built for it. The images stay for the next run, by the names that
 * clusters know them by; one without such a name keeps the stack's, or it would be gone. The image of a run in a container is of
 * no use to any other, and goes.
 */
export async function dropImageNames(stack: string): Promise<void> {
  const images = (await lines(["docker", "image", "ls", "--no-trunc", "--filter", `reference=${PREFIX}/*`, "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"])).map((line) => line.split(" ") as [string, string]);
  const kept = new Set(images.filter(([, name]) => /:[0-9a-f]{12}$/.test(name)).map(([id]) => id));
  const dropped = images.filter(([id, name]) => name.endsWith(`:${stack}`) && (kept.has(id) || name.startsWith(`${PREFIX}/runner:`))).map(([, name]) => name);
  if (dropped.length > 0) await tryRun(["docker", "image", "rm", ...dropped]);
}

/** The command that removes a thing. */
export function removalOf({ kind, name }: Pick<DockerThing, "kind" | "name">): string {
  return pasteable([...REMOVE[kind], name]);
}

const REMOVE: Record<DockerKind, [string, ...string[]]> = {
  container: ["docker", "rm", "--force", "--volumes"], network: ["docker", "network", "rm", "--force"], volume: ["docker", "volume", "rm", "--force"],
};

async function list(kind: DockerKind, filter: string): Promise<DockerThing[]> {
  const ids = await lines(kind === "container" ? ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", filter] : ["docker", kind, "ls", "--quiet", "--filter", filter]);
  if (ids.length === 0) return [];
  // One that went away meanwhile makes the exit code 1 and is left out.
  const facts = await lines(["docker", kind, "inspect", "--format", "{{json .}}", ...ids]);
  return facts.map((line) => thingOf(kind, JSON.parse(line) as Inspected)).filter(({ name }) => kind !== "container" || name !== process.env[SELF_VARIABLE]);
}

interface Inspected { Name: string; Created?: string; CreatedAt?: string; Labels?: Record<string, string> | null; Config?: { Labels?: Record<string, string> | null } }

function thingOf(kind: DockerKind, facts: Inspected): DockerThing {
  return { kind, name: facts.Name.replace(/^\//, ""), labels: facts.Config?.Labels ?? facts.Labels ?? {}, created: facts.Created ?? facts.CreatedAt ?? "" };
}

async function lines(argv: [string, ...string[]]): Promise<string[]> {
  const { stdout } = await tryRun(argv).catch(() => ({ stdout: "" }));
  return stdout.split("\n").filter(Boolean);
}
