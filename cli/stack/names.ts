import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { chooseContext } from "../../infra/backends/contexts";
import { IN_STATE_VARIABLE, requireFreeNames } from "../../infra/backends/docker-names";
import { plannedNamespaces } from "../../infra/components/checkpoint/planned";
import { freeNamespaces } from "../../infra/components/free-namespaces";
import { DOCKER_DESKTOP_CONTEXTS } from "../../infra/backends/local-contexts";
import type { Settings } from "../../infra/config";
import { kubeconfigFile, LABELS, ownerOf } from "../../infra/naming";
import { UserError } from "../../infra/support/errors";
import { openCluster } from "../cluster/access";
import { kubectlFor } from "../cluster/kubectl";
import { isOfThisHost, namespaceNow } from "../cluster/namespaces";
import { ROOT } from "../paths";
import type { Tell } from "../progress";
import { dockerIdsOf, forgetLostNamespaces } from "./identity";
import { isStackKubeconfig } from "./kubeconfig";
import { settingsOf } from "./stack-settings";
import { stateOf } from "./stack-state";

/**
 * Makes sure that every name which an `up` would take is free or the stack's own, before anything is made: in Docker,
 * in a cluster of somebody else, and the file that the stack's tools write. Waits for an earlier namespace of the name
 * that is being deleted.
 * @throws UserError E_CLUSTER_NAME_TAKEN, E_NAMESPACE_FOREIGN, E_NAMESPACE_STUCK, E_FILE_FOREIGN
 */
export async function requireNames(stack: string, tell: Tell): Promise<void> {
  const [settings, owner, state] = [settingsOf(stack), ownerOf(ROOT, stack), await stateOf(stack)];
  requireOwnKubeconfig(stack);
  const inState = dockerIdsOf(state);
  // The program looks once more, and knows no state.
  process.env[IN_STATE_VARIABLE] = inState.join(",");
  requireFreeNames(settings, owner, inState);
  const kubeconfig = outlivingCluster(settings);
  if (kubeconfig === undefined) return;
  const planned = await plannedNamespaces(settings, ROOT, kubeconfig);
  await freeNamespaces(kubeconfig, planned, {
    owner,
    timeout: settings.readyTimeout,
    tell,
    kubectl: kubectlFor(stack),
  });
  const known = new Set(
    (state?.resources ?? []).filter(({ type }) => type === "kubernetes:core/v1:Namespace").map(({ id }) => id),
  );
  await refuseOfOtherHost(
    kubeconfig,
    planned.filter(({ name }) => !known.has(name)),
    stack,
  );
}

/**
 * Takes the namespaces out of a stack's state that are gone from a cluster which outlives the stack, or that others
 * made again.
 */
export async function forgetLost(stack: string, tell: Tell): Promise<void> {
  const kubeconfig = outlivingCluster(settingsOf(stack));
  if (kubeconfig !== undefined) await forgetLostNamespaces(stack, kubeconfig, tell);
}

/** Returns the kubeconfig of the cluster that a stack uses and did not create, if it uses one. */
function outlivingCluster(settings: Settings): string | undefined {
  if (settings.backend === "k3s" || settings.backend === "kind") return undefined;
  const candidates = settings.backend === "docker-desktop" ? DOCKER_DESKTOP_CONTEXTS : [];
  return chooseContext({ settings, root: ROOT }, candidates).kubeconfig;
}

/** The same folder on another host is the same owner; what it made is in no state of this one. */
async function refuseOfOtherHost(
  kubeconfig: string,
  planned: readonly { name: string; key: string }[],
  stack: string,
): Promise<void> {
  const cluster = await openCluster(kubeconfig);
  try {
    for (const { name, key } of planned) {
      const now = await namespaceNow(cluster, name);
      if (!now || isOfThisHost(now)) continue;
      throw new UserError("E_NAMESPACE_FOREIGN", {
        seen: `namespace ${name} exists, made by ${now.annotations[LABELS.checkout] ?? "a checkout"} on the host ${now.annotations[LABELS.host]!}; this is ${hostname()}`,
        wanted: "a namespace of this stack's own",
        next: `pulumi config set --stack ${stack} ${key} NAME`,
      });
    }
  } finally {
    cluster.close();
  }
}

/** @throws UserError E_FILE_FOREIGN for a file in the place of the stack's kubeconfig that no tool of a stack wrote */
function requireOwnKubeconfig(stack: string): void {
  const file = kubeconfigFile(ROOT, stack);
  if (existsSync(file) && !isStackKubeconfig(stack)) {
    throw new UserError("E_FILE_FOREIGN", {
      seen: `${file}, which is no kubeconfig of a stack's cluster`,
      wanted: "no such file: the stack's kubeconfig goes there",
      next: `mv ${file} ${file}.mine`,
    });
  }
}
