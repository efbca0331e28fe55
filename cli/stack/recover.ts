import { rmSync } from "node:fs";
import { LABELS, ownerOf } from "../../infra/naming";
import { type DockerThing, KIND_LABEL, removeThings, thingsOf } from "../clean-up/docker-things";
import { hasReleases, settleReleases } from "../cluster/helm-releases";
import { type ClusterAccess, kubeconfigOf, openCluster } from "../cluster/access";
import { deadFiles } from "../clean-up/leftovers";
import { removeStaleLocks, requireNoLock } from "../clean-up/locks";
import { deadRuns, forgetDeadRuns } from "../clean-up/marks";
import { kubectlFor } from "../cluster/kubectl";
import { namespaceNow, namespacesBy, removeNamespaces } from "../cluster/namespaces";
import { endOrphans } from "../clean-up/orphans";
import { type ObjectAddress, objectPath } from "../cluster/object-path";
import { ROOT } from "../paths";
import type { Tell } from "../progress";
import { hasNodeContainers } from "./stack-settings";
import { type StackState, type StateResource, stateOf } from "./stack-state";
import { localStack } from "./state";
import { repairState } from "./state-repair";

/**
 * Puts right what a killed run of this stack left, before the next one changes it: locks of the dead, processes that go
 * on without their runner, state files half written, and what carries the stack's label and is not in its state. What
 * the state knows stays.
 * @throws UserError E_STACK_LOCKED when a Pulumi that lives has the stack
 */
export async function recover(stack: string, tell: Tell): Promise<void> {
  const killed = deadRuns(stack).length > 0;
  await endOrphans(stack, tell);
  removeStaleLocks(stack);
  requireNoLock(stack);
  repairState(stack, tell);
  for (const file of deadFiles(stack)) rmSync(file, { force: true });
  // Of a state elsewhere nobody can tell here whether another host changes it: only a killed run's things are touched.
  if (killed || localStack(stack)) await removeUnknown(stack, await stateOf(stack), tell);
  forgetDeadRuns(stack);
}

/**
 * Removes the Kubernetes objects whose creation was cut off: they may be there, half made, and the next `up` would run
 * into them. Helm's releases are settled likewise. Their operations are cleared from the state by the refresh that
 * follows.
 */
export async function removePending(stack: string, tell: Tell): Promise<void> {
  const state = await stateOf(stack);
  const cutOff = (state?.pending ?? []).filter(
    ({ type, resource }) => type === "creating" && /^kubernetes:(?!core\/v1:Namespace|helm\.sh)/.test(resource.type),
  );
  const kubeconfig = cutOff.length > 0 || hasReleases(state) ? await kubeconfigOf(stack) : undefined;
  if (!kubeconfig) return;
  await settleReleases(kubeconfig, state, tell);
  const cluster = await openCluster(kubeconfig);
  try {
    for (const { resource } of cutOff) {
      const path = await objectPath(cluster.get, resource.inputs as unknown as ObjectAddress);
      const found = path === undefined ? undefined : await cluster.get<{ metadata: Labelled & { uid: string } }>(path);
      if (path === undefined || found === undefined || !(await isOwn(cluster, path, found.metadata, stack))) continue;
      tell(`removing ${path}, whose creation was cut off`);
      await cluster.remove(path, { gracePeriodSeconds: 0, preconditions: { uid: found.metadata.uid } });
    }
  } finally {
    cluster.close();
  }
}

interface Labelled {
  labels?: Record<string, string>;
}

/** Whether an object is in a namespace that the stack made, or carries the stack's label itself. */
async function isOwn(cluster: ClusterAccess, path: string, { labels }: Labelled, stack: string): Promise<boolean> {
  const { id } = ownerOf(ROOT, stack);
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
  return (namespace === undefined ? labels : (await namespaceNow(cluster, namespace))?.labels)?.[LABELS.owner] === id;
}

async function removeUnknown(stack: string, state: StackState | undefined, tell: Tell): Promise<void> {
  const owner = ownerOf(ROOT, stack);
  const unknown = unknownThings(await thingsOf(owner, { optional: !hasNodeContainers(stack) }), state);
  for (const { kind, name } of unknown) tell(`removing ${kind} ${name}, which a killed run made and no state knows`);
  await removeThings(unknown);
  const begun = (state?.pending ?? [])
    .filter(({ resource }) => resource.type === "kubernetes:core/v1:Namespace")
    .map(({ resource }) => metadataName(resource));
  if (begun.length === 0) return;
  const kubeconfig = await kubeconfigOf(stack);
  const found = (await namespacesBy(kubeconfig, owner, new Set(begun))).filter(
    ({ name }) => !knownNames(state).has(name),
  );
  for (const { name } of found) tell(`removing namespace ${name}, which a killed run made and no state knows`);
  if (kubeconfig && found.length > 0) await removeNamespaces(kubeconfig, found, { tell, kubectl: kubectlFor(stack) });
}

/** What of these things is not in a state. A kind node stands in none by itself: it belongs to its cluster. */
export function unknownThings(things: readonly DockerThing[], state: StackState | undefined): DockerThing[] {
  const known = knownNames(state);
  const clusters = new Set(
    (state?.resources ?? []).filter(({ type }) => type.endsWith(":KindCluster")).map(({ inputs }) => inputs?.["name"]),
  );
  return things.filter(({ name, labels }) =>
    KIND_LABEL in labels ? !clusters.has(labels[KIND_LABEL]) : !known.has(name),
  );
}

/** Names that the state's resources have outside of Pulumi. */
function knownNames(state: StackState | undefined): Set<string> {
  return new Set(
    (state?.resources ?? [])
      .flatMap((resource) => [resource.inputs?.["name"], metadataName(resource)])
      .filter((name) => typeof name === "string"),
  );
}

function metadataName({ inputs }: StateResource): string {
  return (inputs?.["metadata"] as { name?: string } | undefined)?.name ?? "";
}
