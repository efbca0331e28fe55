import { hostname } from "node:os";
import { LABELS, type Owner } from "../../infra/naming";
import { PREVIEW_LABELS } from "../../infra/preview";
import { UserError } from "../../infra/support/errors";
import { KubeRefusal } from "../../infra/support/kube-api";
import { holdsOf, type Holds } from "../../infra/support/namespace-holds";
import { waitFor } from "../../infra/support/wait";
import type { Tell } from "../progress";
import { type ClusterAccess, openCluster } from "./access";
import { removeOutsideOf } from "./helm-releases";

/** Milliseconds for the removal of a namespace with all that is in it. */
const GONE_WITHIN = 90_000;
/** Milliseconds until somebody who waits is told what holds a namespace, and between two looks after that. */
const EXPLAINED_AFTER = 6_000;
const EXPLAINED_EVERY = 10_000;

/** A namespace that some stack, or some run of tests, made in a cluster. */
export interface OwnedNamespace {
  name: string;
  /** Differs between a namespace and a later one of its name. */
  uid: string;
  /** Differs between two states of one namespace. */
  version: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  /** ISO 8601. */
  created: string;
  /** Whether it is being deleted. */
  terminating: boolean;
}

/** A namespace as the API server gives it. */
export interface ApiNamespace {
  metadata: {
    name: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    creationTimestamp?: string;
    deletionTimestamp?: string;
  };
}

/** Labels that say who made a namespace: one that was found with them is removed only while it has them. */
const PROOFS = [LABELS.owner, LABELS.tests, PREVIEW_LABELS.owner, PREVIEW_LABELS.preview] as const;

/**
 * Namespaces that carry this project's label, of one owner or of any.
 * @throws Error when the cluster does not answer
 */
export async function namespacesIn(cluster: ClusterAccess, owner?: Owner): Promise<OwnedNamespace[]> {
  return namespacesWith(cluster, owner ? `${LABELS.owner}=${owner.id}` : LABELS.owner);
}

/** Namespaces of a selector. @throws Error when the cluster does not answer */
export async function namespacesWith(cluster: ClusterAccess, selector: string): Promise<OwnedNamespace[]> {
  const list = await cluster.get<{ items: ApiNamespace[] }>(
    `/api/v1/namespaces?labelSelector=${encodeURIComponent(selector)}`,
  );
  return (list?.items ?? []).map(ownedNamespace);
}

/** The namespace of a name as it is now; nothing where there is none. @throws Error when the cluster does not answer */
export async function namespaceNow(cluster: ClusterAccess, name: string): Promise<OwnedNamespace | undefined> {
  const found = await cluster.get<ApiNamespace>(`/api/v1/namespaces/${name}`);
  return found && ownedNamespace(found);
}

/**
 * An owner's namespaces by a kubeconfig, but for those that another host made, where a checkout of the same path has
 * the same owner. Empty where the cluster does not answer, which then holds nothing that could be removed.
 * @param named names that the stack's state has, wherever they were made
 * @throws KubeRefusal if the cluster answers and does not list them
 */
export async function namespacesBy(
  kubeconfig: string | undefined,
  owner: Owner,
  named: ReadonlySet<string> = new Set(),
): Promise<OwnedNamespace[]> {
  if (kubeconfig === undefined) return [];
  const cluster = await openCluster(kubeconfig);
  try {
    return (await namespacesIn(cluster, owner).catch(noneWithoutAnswer)).filter(
      (namespace) => isOfThisHost(namespace) || named.has(namespace.name),
    );
  } finally {
    cluster.close();
  }
}

function noneWithoutAnswer(error: unknown): never[] {
  if (error instanceof KubeRefusal) throw error;
  return [];
}

/**
 * Whether a namespace was made on this host, or says nothing of it (older ones do not). Where a preview was made does
 * not matter: its owner is a repository, or one checkout.
 */
export function isOfThisHost({ labels, annotations }: Pick<OwnedNamespace, "labels" | "annotations">): boolean {
  const host = annotations[LABELS.host];
  return host === undefined || host === hostname() || PREVIEW_LABELS.preview in labels;
}

export interface RemovalOptions {
  /** Hears what holds a namespace, and what is not removed because it is somebody else's by now. */
  tell?: Tell;
  /** Words that begin a `kubectl` command for this cluster: `kubectlFor`, or `kubectlOf` where no stack is known. */
  kubectl: string;
}

/**
 * Deletes namespaces, with what Helm's releases in them made outside, and waits until they are gone. Each is deleted
 * only while it is the one that was found, with the labels that say whose it is. Finalizers are left alone: they are
 * somebody's promise.
 * @throws UserError E_DESTROY that names what holds one up
 */
export async function removeNamespaces(
  kubeconfig: string,
  namespaces: readonly OwnedNamespace[],
  options: RemovalOptions,
): Promise<void> {
  const cluster = await openCluster(kubeconfig);
  try {
    await Promise.all(
      namespaces.map(async (namespace) => {
        if (!(await isStill(cluster, namespace)))
          return options.tell?.(`namespace ${namespace.name} stays: it is another one by now, or somebody else's`);
        await removeOutsideOf(cluster, namespace.name);
        if (!(await beginRemoval(cluster, namespace)))
          return options.tell?.(`namespace ${namespace.name} stays: it is another one by now, or somebody else's`);
        await waitUntilGone(cluster, namespace, options);
      }),
    );
  } finally {
    cluster.close();
  }
}

/**
 * Deletes a namespace without waiting, if it still is the one that was found. Its controller first looks at it after
 * five seconds and, where it then finds a volume's claim, whose finalizer waits for the pod, again after eight more: so
 * pods and claims are deleted at once too.
 * @returns false when it is another one by now, or does not say any more whose it is; nothing was deleted then
 */
export async function beginRemoval(cluster: ClusterAccess, found: OwnedNamespace): Promise<boolean> {
  for (;;) {
    const now = await namespaceNow(cluster, found.name);
    if (!now) return true;
    if (!isSame(now, found)) return false;
    // The version too: who takes the label off in this moment keeps the namespace.
    if (
      now.terminating ||
      (await cluster.remove(`/api/v1/namespaces/${now.name}`, {
        preconditions: { uid: now.uid, resourceVersion: now.version },
      }))
    )
      break;
  }
  for (const [kind, grace] of [
    ["pods", { gracePeriodSeconds: 1 }],
    ["persistentvolumeclaims", {}],
  ] as const) {
    const path = `/api/v1/namespaces/${found.name}/${kind}`;
    const items = (await cluster.get<{ items: { metadata: { name: string; uid: string } }[] }>(path))?.items ?? [];
    await Promise.all(
      items.map(({ metadata: { name, uid } }) =>
        cluster.remove(`${path}/${name}`, { ...grace, preconditions: { uid } }),
      ),
    );
  }
  return true;
}

/** Waits until a namespace is gone, and says meanwhile what holds it. @throws UserError E_DESTROY */
export async function waitUntilGone(
  cluster: ClusterAccess,
  { name, uid }: Pick<OwnedNamespace, "name" | "uid">,
  { tell, kubectl }: RemovalOptions,
): Promise<void> {
  const start = Date.now();
  let holds: Holds | undefined;
  let looked = start - EXPLAINED_EVERY + EXPLAINED_AFTER;
  await waitFor(
    async () => {
      const left = await namespaceNow(cluster, name);
      if (left?.uid !== uid) return { value: true };
      if (Date.now() - looked < EXPLAINED_EVERY) return { reason: holds?.text ?? "its content is being deleted" };
      looked = Date.now();
      const before = holds?.text;
      holds = await holdsOf(cluster.get, name, kubectl);
      if (holds.text !== before)
        tell?.(`namespace ${name} waits: ${holds.text}${holds.holds[0]?.passing ? "" : `. Try: ${holds.next}`}`);
      return { reason: holds.text };
    },
    { deadline: GONE_WITHIN, interval: 250 },
    (reason, seconds) =>
      new UserError("E_DESTROY", {
        seen: `namespace ${name} is still there after ${seconds} s: ${reason}`,
        wanted: `no namespace ${name}`,
        next: holds?.next ?? `${kubectl} describe namespace ${name}`,
        ...(holds && holds.holds.length > 1
          ? { detail: holds.holds.map(({ what, next }) => `- ${what}\n  ${next}`).join("\n") }
          : {}),
      }),
  );
}

async function isStill(cluster: ClusterAccess, found: OwnedNamespace): Promise<boolean> {
  const now = await namespaceNow(cluster, found.name);
  return now === undefined || isSame(now, found);
}

/** Whether a namespace is the one that was found, and still says whose it is. */
function isSame(now: OwnedNamespace, found: OwnedNamespace): boolean {
  return now.uid === found.uid && PROOFS.every((label) => now.labels[label] === found.labels[label]);
}

/** A namespace of the API in the form that its removal wants. */
export function ownedNamespace({ metadata }: ApiNamespace): OwnedNamespace {
  const {
    name,
    uid,
    resourceVersion,
    labels = {},
    annotations = {},
    creationTimestamp = "",
    deletionTimestamp,
  } = metadata;
  return {
    name,
    uid,
    version: resourceVersion,
    labels,
    annotations,
    created: creationTimestamp,
    terminating: deletionTimestamp !== undefined,
  };
}
