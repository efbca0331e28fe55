import { objectionTo } from "../../infra/backends/local-contexts";
import { contextOf, kubeconfigFiles, readKubeconfigs, type OneContext } from "../../infra/support/kubeconfig";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { LABELS, ownerOf, RUN_ANNOTATION } from "../../infra/naming";
import { PREVIEW_LABELS } from "../../infra/preview";
import { kubectlOf } from "../../infra/support/kubectl";
import { type ClusterAccess, kubeconfigOf, openCluster } from "../cluster/access";
import type { KnownStack } from "../stack/known-stacks";
import { isOver } from "./marks";
import { kubectlFor } from "../cluster/kubectl";
import { namespacesIn, namespacesWith, type OwnedNamespace, removeNamespaces } from "../cluster/namespaces";
import { ROOT } from "../paths";
import { readStackFile, stacksWithFile } from "../stack/stack-file";
import type { StackState } from "../stack/stack-state";
import { type Claims, type Finding, markOfNamespace, place as whose } from "./claims";

/** A cluster that is looked at, by the name that people know it by. */
interface Place {
  name: string;
  kubeconfig: string;
  /** Words that begin a `kubectl` command for it. */
  kubectl: string;
  /** Stack of this checkout whose own cluster it is. */
  stack?: string;
}

/**
 * Namespaces that killed runs left in clusters which go on without them: in the contexts that the stacks of this
 * checkout name, in local ones, and in the clusters of stacks that are up. A cluster that does not answer is passed
 * over.
 */
export async function sweptNamespaces(
  known: readonly KnownStack[],
  claims: Claims,
  states: ReadonlyMap<string, StackState | undefined>,
): Promise<Finding[]> {
  const places: Place[] = [...contexts(), ...(await ownClusters(known, claims))];
  const found = await Promise.all(
    places.map(async (place): Promise<Finding[]> => {
      const cluster = await openCluster(place.kubeconfig);
      try {
        return [...(await ofStacks(cluster, place, claims, states)), ...(await ofTests(cluster, place, claims))];
      } catch {
        return [];
      } finally {
        cluster.close();
      }
    }),
  );
  return found.flat();
}

async function ofStacks(
  cluster: ClusterAccess,
  place: Place,
  claims: Claims,
  states: ReadonlyMap<string, StackState | undefined>,
): Promise<Finding[]> {
  return (await namespacesIn(cluster)).flatMap((namespace): Finding[] => {
    const mark = markOfNamespace(namespace);
    const own = claims.ownStack(mark.id);
    const why = claims.whyOf(mark);
    // Where a preview was made says nothing of its time: those of others are for `npm run preview -- gc`.
    if (why === undefined || (own === undefined && PREVIEW_LABELS.preview in namespace.labels)) return [];
    const inState =
      own !== undefined &&
      (states.get(own)?.resources ?? []).some(
        ({ type, id }) => type === "kubernetes:core/v1:Namespace" && id === namespace.name,
      );
    return [
      {
        ...finding(place, namespace),
        ...whose(mark, own),
        why,
        ...(inState
          ? { down: own }
          : { remove: () => removeNamespaces(place.kubeconfig, [namespace], { kubectl: place.kubectl }) }),
      },
    ];
  });
}

/** Namespaces that a run of tests made for itself and could not remove, because it was killed. */
async function ofTests(cluster: ClusterAccess, place: Place, claims: Claims): Promise<Finding[]> {
  const made = (await namespacesWith(cluster, LABELS.tests)).filter(({ annotations }) =>
    isOver(annotations[RUN_ANNOTATION] ?? ""),
  );
  // That their run is over was told by its process, which only its own host can tell.
  const mayGo = (checkout: string) => checkout === ROOT || claims.whyGone({ checkout, host: hostname() }) !== undefined;
  return made
    .filter(({ annotations }) => mayGo(annotations[LABELS.checkout] ?? ""))
    .map((namespace): Finding => ({
      ...finding(place, namespace),
      stack: place.stack ?? namespace.labels[LABELS.stack] ?? "",
      checkout: namespace.annotations[LABELS.checkout] ?? "",
      why: `its run of the ${namespace.labels[LABELS.tests] ?? ""} tests was killed`,
      remove: () => removeNamespaces(place.kubeconfig, [namespace], { kubectl: place.kubectl }),
    }));
}

function finding({ name }: Place, namespace: OwnedNamespace): Pick<Finding, "kind" | "name" | "created"> {
  return { kind: "namespace", name: `${name}: ${namespace.name}`, created: namespace.created };
}

/** Clusters of stacks that are up and stay so: of one that is taken down, nothing is left to look at. */
async function ownClusters(known: readonly KnownStack[], claims: Claims): Promise<Place[]> {
  const staying = known.filter(
    ({ name, condition, backend }) =>
      condition === "up" &&
      (backend === "k3s" || backend === "kind") &&
      claims.whyOf({ id: ownerOf(ROOT, name).id, stack: name, checkout: ROOT }) === undefined,
  );
  const found = await Promise.all(
    staying.map(async ({ name }): Promise<Place[]> => {
      // The state holds it as a secret, for which Pulumi would be needed; the cluster itself tells without.
      const kubeconfig = await kubeconfigOf(name, { resources: [], pending: [] });
      return kubeconfig === undefined
        ? []
        : [{ name: `stack ${name}`, kubeconfig, kubectl: kubectlFor(name), stack: name }];
    }),
  );
  return found.flat();
}

/** Contexts that may be touched: those that a stack's configuration names, and local ones, each cluster once. */
function contexts(): Place[] {
  const stacks = stacksWithFile().map((stack) => readStackFile(stack)?.config ?? {});
  const named = stacks.flatMap(({ kubeconfig, kubeContext }) =>
    typeof kubeContext === "string" && kubeContext !== "" ? [{ ...filesOf(kubeconfig), name: kubeContext }] : [],
  );
  const user = quietly(() => readKubeconfigs(kubeconfigFiles()));
  const local = (user?.contexts ?? [])
    .map(({ name }) => quietly(() => contextOf(user!, name)))
    .filter((context) => context !== undefined && objectionTo(context, []) === undefined);
  const all = [
    ...named.flatMap(({ files, file, name }) =>
      placeOf(
        quietly(() => contextOf(readKubeconfigs(files), name)),
        file,
      ),
    ),
    ...local.flatMap((context) => placeOf(context)),
  ];
  return all.filter(({ server }, at) => all.findIndex((other) => other.server === server) === at);
}

/** The files of a stack's key `kubeconfig`, and the one that it names. */
function filesOf(kubeconfig: unknown): { files: string[]; file?: string } {
  if (typeof kubeconfig !== "string" || kubeconfig === "") return { files: kubeconfigFiles() };
  const file = resolve(ROOT, kubeconfig);
  return { files: [file], file };
}

function placeOf(context: OneContext | undefined, file?: string): (Place & { server: string })[] {
  return context ? [{ ...context, kubectl: kubectlOf(file, context.name) }] : [];
}

/** A kubeconfig with a slip in it, or with a file that is gone, has no context that could be looked at. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
