import type { Settings } from "../config";
import { clusterName, LABELS, type Owner } from "../naming";
import {
  containersNow,
  type InspectedContainer,
  type InspectedNetwork,
  inspectNow,
  isNodeOf,
  KIND_LABEL,
  ownLabels,
} from "../support/docker-inspect";
import { UserError } from "../support/errors";

/** The names that a stack would take in Docker. */
export interface DockerNames {
  containers: string[];
  networks: string[];
  volumes: string[];
  /** Name of the kind cluster, which kind knows by a label on its nodes. */
  kindCluster?: string;
}

/** Something that has one of those names and is not the stack's. */
export interface ForeignThing {
  kind: "container" | "network" | "volume";
  name: string;
  /** Who made it, as far as it says. */
  about: string;
  /** Command that shows it. */
  show: string;
}

/**
 * Set by the runner to the ids and volume names that the stack's state has: they are the stack's, whatever their labels
 * say.
 */
export const IN_STATE_VARIABLE = "BAY_E2E_IN_STATE";

/** Name of a k3s node and of its container: the server has the cluster's. */
export function nodeName(cluster: string, index: number): string {
  return index === 0 ? cluster : `${cluster}-agent-${index}`;
}

/** Name of the volume that a k3s node keeps its data in. */
export function volumeName(node: string, purpose: "k3s" | "kubelet"): string {
  return `${node}-${purpose}`;
}

/** Returns every name that a stack would take in Docker; none for a cluster that exists already. */
export function dockerNamesOf(
  settings: Pick<Settings, "backend" | "clusterName" | "k3sAgents" | "kindNodes">,
  owner: Owner,
): DockerNames {
  const name = settings.clusterName || clusterName(owner);
  if (settings.backend === "kind") {
    const workers = Array.from(
      { length: settings.kindNodes - 1 },
      (_, index) => `${name}-worker${index === 0 ? "" : index + 1}`,
    );
    return { containers: [`${name}-control-plane`, ...workers], networks: [name], volumes: [], kindCluster: name };
  }
  if (settings.backend !== "k3s") return { containers: [], networks: [], volumes: [] };
  const containers = Array.from({ length: settings.k3sAgents + 1 }, (_, index) => nodeName(name, index));
  const volumes = containers.flatMap((node) => [volumeName(node, "k3s"), volumeName(node, "kubelet")]);
  return { containers, networks: settings.k3sAgents > 0 ? [name] : [], volumes };
}

/**
 * Returns what has one of these names and was not made by the owner. Blocks: nothing may be declared before it is
 * known.
 * @param inState ids of containers and networks, and names of volumes, that the stack's state has
 */
export function foreignThings(names: DockerNames, owner: Owner, inState: readonly string[] = []): ForeignThing[] {
  const networks = inspectNow("network", names.networks);
  const nodes = names.kindCluster === undefined ? [] : containersNow(`${KIND_LABEL}=${names.kindCluster}`);
  const containers = distinct(inspectNow("container", [...names.containers, ...nodes]));
  const images = imageLabels(containers);
  const mine = (labels: Readonly<Record<string, string>> | null | undefined) => labels?.[LABELS.owner] === owner.id;
  const ownNetworks = networks.filter(({ Id, Labels }) => mine(Labels) || inState.includes(Id));
  const isOwn = (container: InspectedContainer) =>
    inState.includes(container.Id) ||
    ownNetworks.some((network) => isNodeOf(container, network)) ||
    mine(ownLabels(container.Config.Labels ?? {}, images.get(container.Image) ?? {}));
  return [
    ...containers.filter((container) => !isOwn(container)).map(describeContainer),
    ...networks.filter((network) => !ownNetworks.includes(network)).map(describeNetwork),
    ...inspectNow("volume", names.volumes)
      .filter(({ Name, Labels }) => !mine(Labels) && !inState.includes(Name))
      .map(({ Name, Labels }): ForeignThing => ({
        kind: "volume",
        name: Name,
        about: maker(Labels),
        show: `docker volume inspect ${Name}`,
      })),
  ];
}

/**
 * Makes sure that nobody else has a name that the stack would take in Docker.
 * @throws UserError E_CLUSTER_NAME_TAKEN with everything that was found
 */
export function requireFreeNames(settings: Settings, owner: Owner, inState: readonly string[] = idsFromRunner()): void {
  const foreign = foreignThings(dockerNamesOf(settings, owner), owner, inState);
  if (foreign.length > 0) throw nameTaken(foreign, owner.stack);
}

/** The error for names that are taken. */
export function nameTaken(foreign: readonly ForeignThing[], stack: string): UserError {
  const all = foreign.map(({ kind, name, about }) => `${kind} ${name}, ${about}`);
  return new UserError("E_CLUSTER_NAME_TAKEN", {
    seen: all.length === 1 ? all[0]! : `${all.length} things:\n${all.map((line) => `          - ${line}`).join("\n")}`,
    wanted: "names that are free; nothing was made, and nothing of these was touched",
    next: `pulumi config set --stack ${stack} clusterName ANOTHER-NAME   (to look at it: ${foreign[0]!.show})`,
  });
}

function idsFromRunner(): string[] {
  return (process.env[IN_STATE_VARIABLE] ?? "").split(",").filter(Boolean);
}

/** A node has its name and its cluster's label, and would be found twice. */
function distinct(containers: readonly InspectedContainer[]): InspectedContainer[] {
  return containers.filter(({ Id }, index) => containers.findIndex((other) => other.Id === Id) === index);
}

/** Labels of the containers' images by content id. */
function imageLabels(containers: readonly InspectedContainer[]): Map<string, Record<string, string>> {
  return new Map(
    inspectNow("image", [...new Set(containers.map(({ Image }) => Image))]).map(({ Id, Config }) => [
      Id,
      Config?.Labels ?? {},
    ]),
  );
}

function describeContainer({ Name, Config: { Image, Labels }, Created }: InspectedContainer): ForeignThing {
  const name = Name.replace(/^\//, "");
  const cluster = Labels?.[KIND_LABEL];
  const about =
    cluster === undefined ? maker(Labels) : `a node of the kind cluster ${cluster}, which this stack did not make`;
  return {
    kind: "container",
    name,
    about: `${about} (image ${Image}, made ${Created.slice(0, 19)}Z)`,
    show: `docker container inspect ${name}`,
  };
}

function describeNetwork({ Name, Labels }: InspectedNetwork): ForeignThing {
  return { kind: "network", name: Name, about: maker(Labels), show: `docker network inspect ${Name}` };
}

function maker(labels: Readonly<Record<string, string>> | null | undefined): string {
  const stack = labels?.[LABELS.stack];
  if (stack === undefined) return "which carries no label of this project";
  return `made by the stack ${stack} of ${labels?.[LABELS.checkout] ?? "another checkout"}`;
}
