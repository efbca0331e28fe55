import { LABELS, type Owner, PREFIX } from "../../infra/naming";
import { isWithoutDocker, requireAnswer, saysAbsent } from "../../infra/support/docker-answer";
import {
  type InspectedContainer,
  type InspectedNetwork,
  isNodeOf,
  KIND_LABEL,
  ownLabels,
} from "../../infra/support/docker-inspect";
import { UserError } from "../../infra/support/errors";
import { pasteable, tail, tryRun } from "../../infra/support/exec";
import { imagesOf, isProven, labelledImages, LIST_IMAGES } from "../tools/stored";

export { KIND_LABEL };

/** Kinds of things in Docker, in the order in which they can be removed. */
export const DOCKER_KINDS = ["container", "network", "volume"] as const;
export type DockerKind = (typeof DOCKER_KINDS)[number];

/**
 * Set in a container of cli/container to its own name: what runs in there must not take it for something that is left.
 */
export const SELF_VARIABLE = "BAY_E2E_CONTAINER";

/**
 * A container, network or volume that was made by a stack of this project: it carries the owner's label itself, or it
 * is a node that kind made in a network which does. Nothing is taken for a stack's because of its name.
 */
export interface DockerThing {
  kind: DockerKind;
  /** Docker's id; of a volume, which has none, the name. */
  id: string;
  name: string;
  /** Its own labels, without those that a container has of its image; of a node also those of its network. */
  labels: Record<string, string>;
  /** ISO 8601; empty where Docker does not tell. */
  created: string;
}

/**
 * What Docker has of one owner.
 * @param options.optional whether there is nothing if this host has no Docker, or none that runs: for owners who need
 *   none. Default false
 * @throws UserError E_DOCKER_MISSING, E_TOOL_MISSING, E_COMMAND if Docker does not say what it has
 */
export async function thingsOf(owner: Owner, { optional = false } = {}): Promise<DockerThing[]> {
  const looking = look(`${LABELS.owner}=${owner.id}`);
  return optional ? looking.catch(noneWithoutDocker) : looking;
}

/**
 * What Docker has of any owner. A kind node belongs to whoever made the network that kind made it in. Empty if this
 * host has no Docker, or none that runs.
 * @throws UserError E_COMMAND if Docker fails otherwise
 */
export async function thingsOfAll(): Promise<DockerThing[]> {
  return look(LABELS.owner).catch(noneWithoutDocker);
}

function noneWithoutDocker(error: unknown): never[] {
  if (isWithoutDocker(error)) return [];
  throw error;
}

async function look(label: string): Promise<DockerThing[]> {
  const [containers, nodes, networks, volumes] = await Promise.all([
    containersBy(label),
    containersBy(KIND_LABEL),
    inspected<InspectedNetwork>("network", label),
    inspected<InspectedVolume>("volume", label),
  ]);
  const labelled = containers.filter(
    ({ labels }) =>
      LABELS.owner in labels && (!label.includes("=") || `${LABELS.owner}=${labels[LABELS.owner]}` === label),
  );
  const kindNodes = nodes.flatMap(({ facts, ...node }) => {
    const network = networks.find((each) => isNodeOf(facts, each));
    return network ? [{ ...node, labels: { ...network.Labels, ...node.labels } }] : [];
  });
  return [
    ...labelled.map(({ facts, ...thing }) => {
      void facts;
      return thing;
    }),
    ...kindNodes,
    ...networks.map(({ Id, Name, Labels, Created }): DockerThing => ({
      kind: "network",
      id: Id,
      name: Name,
      labels: Labels ?? {},
      created: Created,
    })),
    ...volumes.map(thingOfVolume),
  ];
}

/**
 * Removes things of Docker, with the anonymous volumes of its containers; what is gone already is no error. Containers
 * and networks go by their ids, which no other thing ever gets; a volume's labels are compared once more.
 * @param tell says what is being removed
 * @throws UserError E_DESTROY that names what holds a thing
 */
export async function removeThings(
  things: readonly DockerThing[],
  tell: (line: string) => void = () => undefined,
): Promise<void> {
  for (const kind of DOCKER_KINDS) {
    for (const thing of things.filter((each) => each.kind === kind)) {
      if (kind === "volume" && !(await isStill(thing))) continue;
      tell(`removing ${kind} ${thing.name}`);
      const { exitCode, stderr } = await tryRun([...REMOVE[kind], thing.id]);
      if (exitCode !== 0 && !saysAbsent(stderr)) throw await held(thing, stderr);
    }
  }
}

/** Whether a volume is the one that was found: somebody may have made another of its name since. */
async function isStill({ name, labels, created }: DockerThing): Promise<boolean> {
  const [now] = await inspect<InspectedVolume>("volume", [name]);
  return (
    now !== undefined && thingOfVolume(now).created === created && now.Labels?.[LABELS.owner] === labels[LABELS.owner]
  );
}

/** Why Docker does not remove a thing, with the containers of others that use it. */
async function held({ kind, id, name }: DockerThing, stderr: string): Promise<UserError> {
  const filter = kind === "network" ? `network=${id}` : `volume=${name}`;
  const users =
    kind === "container"
      ? []
      : // Where Docker does not say it either, its refusal is shown instead.
        await lines(["docker", "ps", "--all", "--filter", filter, "--format", "{{.Names}}"]).catch(() => []);
  const by =
    users.length === 0
      ? tail(stderr, 1)
      : `used by ${users.length === 1 ? "container" : "containers"} ${users.join(", ")}, which this stack did not make`;
  const next =
    users.length === 0
      ? pasteable(["docker", kind, "inspect", name])
      : kind === "network"
        ? pasteable(["docker", "network", "disconnect", name, users[0]!])
        : `${pasteable(["docker", "rm", users[0]!])}   (if nobody needs it)`;
  return new UserError("E_DESTROY", {
    seen: `${kind} ${name} cannot be removed: ${by}`,
    wanted: `no ${kind} ${name}`,
    next,
    detail: tail(stderr, 5),
  });
}

/**
 * Takes a stack's name off the images that were built for it. The images stay for the next run, by the names that
 * clusters know them by; one without such a name keeps the stack's, or it would be gone. The image of a run in a
 * container is of no use to any other, and goes. Other images may have these names too: they keep them.
 */
export async function dropImageNames(stack: string): Promise<void> {
  const listed = await lines(LIST_IMAGES).catch(noneWithoutDocker);
  const labelled = await labelledImages();
  const dropped = imagesOf(listed.join("\n")).flatMap(({ name, places }) => {
    const loaded = isProven({ name, places }, new Set());
    return places.filter(
      (place) =>
        place.endsWith(`:${stack}`) && (loaded || (place.startsWith(`${PREFIX}/runner:`) && labelled.has(name))),
    );
  });
  if (dropped.length > 0) await tryRun(["docker", "image", "rm", ...dropped]);
}

/** The command that removes a thing. */
export function removalOf({ kind, name }: Pick<DockerThing, "kind" | "name">): string {
  return pasteable([...REMOVE[kind], name]);
}

const REMOVE: Record<DockerKind, [string, ...string[]]> = {
  container: ["docker", "rm", "--force", "--volumes"],
  network: ["docker", "network", "rm"],
  volume: ["docker", "volume", "rm"],
};

type Container = DockerThing & { facts: InspectedContainer };
interface InspectedVolume {
  Name: string;
  CreatedAt?: string;
  Labels?: Record<string, string> | null;
}
interface InspectedImage {
  Id: string;
  Config?: { Labels?: Record<string, string> | null } | null;
}

/** Containers of a label, each with the labels that are not its image's. */
async function containersBy(label: string): Promise<Container[]> {
  const found = await inspected<InspectedContainer>("container", label);
  const images = await inspect<InspectedImage>("image", [...new Set(found.map(({ Image }) => Image))]);
  return found
    .map((facts): Container => {
      const ofImage = images.find(({ Id }) => Id === facts.Image)?.Config?.Labels ?? {};
      return {
        kind: "container",
        id: facts.Id,
        name: facts.Name.replace(/^\//, ""),
        labels: ownLabels(facts.Config.Labels ?? {}, ofImage),
        created: facts.Created,
        facts,
      };
    })
    .filter(({ name }) => name !== process.env[SELF_VARIABLE]);
}

function thingOfVolume({ Name, Labels, CreatedAt }: InspectedVolume): DockerThing {
  return { kind: "volume", id: Name, name: Name, labels: Labels ?? {}, created: CreatedAt ?? "" };
}

async function inspected<T>(kind: DockerKind, label: string): Promise<T[]> {
  const filter = ["--filter", `label=${label}`];
  return inspect<T>(
    kind,
    await lines(
      kind === "container"
        ? ["docker", "ps", "--all", "--quiet", "--no-trunc", ...filter]
        : ["docker", kind, "ls", "--quiet", ...filter],
    ),
  );
}

/** One that went away meanwhile makes the exit code 1 and is left out. */
async function inspect<T>(kind: DockerKind | "image", ids: readonly string[]): Promise<T[]> {
  return ids.length === 0
    ? []
    : (await lines(["docker", kind, "inspect", "--format", "{{json .}}", ...ids])).map((line) => JSON.parse(line) as T);
}

async function lines(argv: [string, ...string[]]): Promise<string[]> {
  const result = await tryRun(argv);
  requireAnswer(argv, result);
  return result.stdout.split("\n").filter(Boolean);
}
