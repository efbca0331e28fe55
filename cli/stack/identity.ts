import { LABELS } from "../../infra/naming";
import {
  type InspectedContainer,
  type InspectedNetwork,
  type InspectedVolume,
  inspectNow,
  isNodeOf,
  KIND_LABEL,
  containersNow,
} from "../../infra/support/docker-inspect";
import { UserError } from "../../infra/support/errors";
import { run } from "../../infra/support/exec";
import { KubeRefusal } from "../../infra/support/kube-api";
import { openCluster } from "../cluster/access";
import { namespaceNow, type OwnedNamespace, removeNamespaces, type RemovalOptions } from "../cluster/namespaces";
import { ROOT } from "../paths";
import type { Tell } from "../progress";
import { type StackState, type StateResource, stateOf } from "./stack-state";

const NAMESPACE = "kubernetes:core/v1:Namespace";
const VOLUME = "docker:index/volume:Volume";
const RELEASE = "kubernetes:helm.sh/v3:Release";

/**
 * Ids of containers and networks, and names of volumes, that a state has; a volume only while it carries the label it
 * was made with.
 */
export function dockerIdsOf(state: StackState | undefined): string[] {
  const ids = (state?.resources ?? [])
    .filter(({ type, id }) => /^docker:.*(Container|Network)$/.test(type) && id !== undefined)
    .map(({ id }) => id!);
  const nodes = (state?.resources ?? [])
    .filter(({ type }) => type.endsWith(":KindCluster"))
    .flatMap(({ outputs }) => (outputs?.["nodes"] ?? []) as string[]);
  return [
    ...ids,
    ...nodes,
    ...volumesOf(state)
      .filter((volume) => !isForeignVolume(volume))
      .map(({ id }) => id!),
  ];
}

/** What a state names and what is not, by a look at the real thing, what the state made. */
export interface Impostor {
  resource: StateResource;
  why: string;
}

/**
 * Takes out of a stack's state what has the name of something that the stack made and is another thing by now: Pulumi
 * deletes volumes and namespaces by their names. What was the stack's is gone already.
 * @param kubeconfig of a cluster that outlives the stack; nothing where there is none, or where it is gone
 * @throws UserError E_CLUSTER_NAME_TAKEN for nodes of a kind cluster that cannot be told apart
 */
export async function forgetImpostors(stack: string, kubeconfig: string | undefined, tell: Tell): Promise<void> {
  const state = await stateOf(stack);
  requireOwnNodes(state);
  const volumes = volumesOf(state)
    .filter(isForeignVolume)
    .map((resource): Impostor => ({ resource, why: `volume ${resource.id!} was made by somebody else since` }));
  const namespaces = kubeconfig === undefined ? [] : await foreignNamespaces(kubeconfig, state);
  for (const { resource, why } of [...volumes, ...namespaces]) {
    tell(`${why}: it stays, and the stack forgets its own`);
    await forgetResource(stack, resource.urn);
  }
}

/** Namespaces of a state that are gone, or whose names other ones have; an `up` has to make them again. */
export async function forgetLostNamespaces(stack: string, kubeconfig: string, tell: Tell): Promise<void> {
  const state = await stateOf(stack);
  const namespaces = outliving(state);
  if (namespaces.length === 0) return;
  const cluster = await openCluster(kubeconfig);
  try {
    for (const resource of namespaces) {
      const now = await namespaceNow(cluster, resource.id!);
      if (now && isMadeBy(resource, now)) continue;
      tell(`namespace ${resource.id!} is ${now ? "another one by now" : "gone"}: the stack forgets what it had in it`);
      await forgetResource(stack, resource.urn);
    }
  } finally {
    cluster.close();
  }
}

/**
 * Removes the namespaces that a state has in a cluster which outlives it, with all that is in them: each is deleted
 * only if it is the very one that the stack made, and what holds it is told. The state forgets them once they are gone.
 * Helm's releases must be uninstalled before.
 * @throws UserError E_DESTROY that names what holds one up
 */
export async function removeStateNamespaces(stack: string, kubeconfig: string, options: RemovalOptions): Promise<void> {
  const resources = outliving(await stateOf(stack));
  if (resources.length === 0) return;
  const cluster = await openCluster(kubeconfig);
  const found = await Promise.all(
    resources.map(async (resource) => ({ resource, now: await namespaceNow(cluster, resource.id!) })),
  ).finally(() => {
    cluster.close();
  });
  const own = found.flatMap(({ resource, now }) => (now && isMadeBy(resource, now) ? [now] : []));
  for (const { name } of own) options.tell?.(`removing namespace ${name}`);
  await removeNamespaces(kubeconfig, own, options);
  for (const { resource } of found) await forgetResource(stack, resource.urn);
}

/** URNs of the Helm releases in namespaces that outlive the stack's cluster. */
export function outlivingReleases(state: StackState | undefined): string[] {
  return (state?.resources ?? [])
    .filter(
      ({ type, deletedWith }) => type === RELEASE && (deletedWith === undefined || deletedWith.includes(NAMESPACE)),
    )
    .map(({ urn }) => urn);
}

/** Namespaces of a state whose cluster is somebody else's: with a cluster of the stack's own they go by themselves. */
function outliving(state: StackState | undefined): StateResource[] {
  return (state?.resources ?? []).filter(
    ({ type, id, deletedWith }) => type === NAMESPACE && id !== undefined && deletedWith === undefined,
  );
}

/**
 * Whether a namespace is the one of a state: by its uid, or, where the state has none, by the label that it was made
 * with.
 */
function isMadeBy({ inputs, outputs }: StateResource, now: OwnedNamespace): boolean {
  const uid = (outputs?.["metadata"] as { uid?: unknown } | undefined)?.uid;
  if (typeof uid === "string") return uid === now.uid;
  const labels = (inputs?.["metadata"] as { labels?: Record<string, string> } | undefined)?.labels;
  return labels?.[LABELS.owner] !== undefined && labels[LABELS.owner] === now.labels[LABELS.owner];
}

async function foreignNamespaces(kubeconfig: string, state: StackState | undefined): Promise<Impostor[]> {
  const cluster = await openCluster(kubeconfig);
  try {
    const found = await Promise.all(
      outliving(state).map(async (resource): Promise<Impostor[]> => {
        // Pulumi cannot delete what does not answer; a cluster that answers must say whose the namespace is.
        const now = await namespaceNow(cluster, resource.id!).catch((error: unknown) => {
          if (error instanceof KubeRefusal) throw error;
          return undefined;
        });
        return now && !isMadeBy(resource, now)
          ? [{ resource, why: `namespace ${now.name} was made by somebody else since` }]
          : [];
      }),
    );
    return found.flat();
  } finally {
    cluster.close();
  }
}

function volumesOf(state: StackState | undefined): StateResource[] {
  return (state?.resources ?? []).filter(({ type, id }) => type === VOLUME && id !== undefined);
}

/** Whether a volume that has the name of one in a state does not carry the label which the state gave its own. */
function isForeignVolume({ id, inputs }: StateResource): boolean {
  const [now] = inspectNow("volume", [id!]) as (InspectedVolume | undefined)[];
  if (!now) return false;
  const labels = (inputs?.["labels"] ?? []) as { label?: string; value?: string }[];
  const owner = labels.find(({ label }) => label === LABELS.owner)?.value;
  return owner === undefined || now.Labels?.[LABELS.owner] !== owner;
}

/**
 * States of older versions do not know the nodes of their kind cluster, and delete whatever has its name in kind's
 * label.
 */
function requireOwnNodes(state: StackState | undefined): void {
  for (const { inputs, outputs, id } of (state?.resources ?? []).filter(({ type }) => type.endsWith(":KindCluster"))) {
    if (Array.isArray(outputs?.["nodes"])) continue;
    const network = (inspectNow("network", [String(inputs?.["network"] ?? "")]) as (InspectedNetwork | undefined)[])[0];
    const nodes = inspectNow("container", containersNow(`${KIND_LABEL}=${id ?? ""}`)) as InspectedContainer[];
    const [foreign] = nodes.filter((node) => !network || !isNodeOf(node, network));
    if (foreign) {
      throw new UserError("E_CLUSTER_NAME_TAKEN", {
        seen: `container ${foreign.Name.replace(/^\//, "")} carries the name of this stack's kind cluster, ${id ?? ""}, and this stack did not make it`,
        wanted:
          "no node of somebody else with that name: this stack was made by an older version, which cannot tell them apart",
        next: `docker container inspect ${foreign.Name.replace(/^\//, "")}`,
      });
    }
  }
}

/** Takes a resource out of a stack's state, with all that depends on it. */
async function forgetResource(stack: string, urn: string): Promise<void> {
  await run(
    [
      "pulumi",
      "state",
      "delete",
      urn,
      "--target-dependents",
      "--force",
      "--yes",
      "--non-interactive",
      "--stack",
      stack,
    ],
    { cwd: ROOT },
  );
}
