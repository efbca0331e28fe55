import { isLocalContext, isLocalServer } from "../infra/backends/local-contexts";
import { contextOf, kubeconfigFiles, readKubeconfigs, type OneContext } from "../infra/support/kubeconfig";
import { resolve } from "node:path";
import { openCluster } from "./cluster-access";
import { namespacesIn, removeNamespaces } from "./namespaces";
import { ROOT } from "./paths";
import { readStackFile, stacksWithFile } from "./stack-file";
import type { StackState } from "./stack-state";
import { type Claims, type Finding, markOf, place } from "./sweep";

/** Milliseconds after which a cluster counts as one that does not answer. */
const ANSWERS_WITHIN = 4_000;

/**
 * Namespaces that killed runs left in clusters which outlive a stack: in the contexts that the stacks of this
 * checkout name, and in local ones. A cluster that does not answer is passed over.
 */
export async function sweptNamespaces(claims: Claims, states: ReadonlyMap<string, StackState | undefined>): Promise<Finding[]> {
  const found = await Promise.all(contexts().map(async (context): Promise<Finding[]> => {
    const cluster = await openCluster(context.kubeconfig, AbortSignal.timeout(ANSWERS_WITHIN));
    const namespaces = await namespacesIn(cluster).catch(() => []).finally(() => { cluster.close(); });
    return namespaces.flatMap(({ name, labels, annotations, created }): Finding[] => {
      const mark = markOf(labels, annotations);
      const own = claims.ownStack(mark.id);
      const why = claims.whyOf(mark);
      if (why === undefined) return [];
      const inState = own !== undefined && (states.get(own)?.resources ?? []).some(({ type, id }) => type === "kubernetes:core/v1:Namespace" && id === name);
      return [{ kind: "namespace", name: `${context.name}: ${name}`, ...place(mark, own), created, why, ...(inState ? { down: own } : { remove: () => removeNamespaces(context.kubeconfig, [name]) }) }];
    });
  }));
  return found.flat();
}

/** Contexts that may be touched: those that a stack's configuration names, and local ones, each cluster once. */
function contexts(): OneContext[] {
  const stacks = stacksWithFile().map((stack) => readStackFile(stack)?.config ?? {});
  const named = stacks.flatMap(({ kubeconfig, kubeContext }) => (typeof kubeContext === "string" && kubeContext !== "" ? [{ files: typeof kubeconfig === "string" && kubeconfig !== "" ? [resolve(ROOT, kubeconfig)] : kubeconfigFiles(), name: kubeContext }] : []));
  const user = quietly(() => readKubeconfigs(kubeconfigFiles()));
  const local = (user?.contexts ?? []).map(({ name }) => quietly(() => contextOf(user!, name))).filter((context) => context !== undefined && isLocalContext(context.name) && isLocalServer(context.server));
  const all = [...named.map(({ files, name }) => quietly(() => contextOf(readKubeconfigs(files), name))), ...local].filter((context) => context !== undefined);
  return all.filter(({ server }, at) => all.findIndex((other) => other.server === server) === at);
}

/** A kubeconfig with a slip in it, or with a file that is gone, has no context that could be looked at. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
