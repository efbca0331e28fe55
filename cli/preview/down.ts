import { UserError } from "../../infra/support/errors";
import { openCluster } from "../cluster/access";
import { liveLock } from "../clean-up/locks";
import { underMark } from "../clean-up/marks";
import { kubectlForCluster } from "../cluster/kubectl";
import { beginRemoval, removeNamespaces } from "../cluster/namespaces";
import { phase } from "../progress";
import { down, prepare } from "../session";
import { localStack } from "../stack/state";
import type { Verdict } from "./decide";
import type { FoundPreview } from "./facts";
import { findPreview } from "./inventory";
import { previewOwner } from "./names";
import { dropDeadSources } from "./source";
import { forget } from "./unchanged";

export interface DownOptions {
  /** Stacks whose clusters are looked at too. */
  from: string[];
  /** The cluster is gone for good: forget what was in it. */
  clusterGone: boolean;
  signal?: AbortSignal;
}

/** Removes one preview, by its stack or, where its state is elsewhere, by its namespace. */
export async function previewDown(name: string, { from, clusterGone, signal }: DownOptions): Promise<void> {
  const found = await findPreview(name, from);
  if (found.owner !== previewOwner() && found.stack === undefined) {
    throw new UserError("E_NAMESPACE_FOREIGN", {
      seen: `the preview ${name} on ${found.cluster} is of ${found.owner}, and this checkout is of ${previewOwner()}`,
      wanted: "a preview of this owner",
      next: `BAY_E2E_PREVIEW_OWNER=${found.owner} npm run preview -- down ${name}   (only if you are meant)`,
    });
  }
  const gone =
    clusterGone || found.clusterState === "gone" || (found.clusterState === "answers" && found.namespace === undefined);
  await remove(found, found.stack === undefined ? "namespace" : gone ? "forget" : "down", signal);
}

/** Removes a preview in the way that a verdict says. */
export async function remove(
  found: FoundPreview,
  action: Exclude<Verdict["action"], "stay">,
  signal?: AbortSignal,
): Promise<void> {
  dropDeadSources();
  if (action === "namespace") {
    await phase(`Preview ${found.name}: removing namespace ${found.namespace!}`, (tell) =>
      removeNamespaces(found.kubeconfig!, [found.live!], { tell, kubectl: kubectlForCluster(found.cluster) }),
    );
    return;
  }
  const stack = found.stack!;
  await underMark(stack, "preview down", "setup", async () => {
    if (action === "down") await removeEarly(stack, found);
    await prepare({ stack });
    await down(stack, { clusterGone: action === "forget", ...(signal ? { signal } : {}) });
    forget(stack);
  });
}

/**
 * Begins what takes longest while Pulumi starts. Not where somebody may have the stack: a Pulumi that lives has its
 * lock, and of a state elsewhere no lock is seen from here.
 */
async function removeEarly(stack: string, { kubeconfig, live }: FoundPreview): Promise<void> {
  if (kubeconfig === undefined || live === undefined || localStack(stack) === undefined || liveLock(stack)) return;
  const cluster = await openCluster(kubeconfig);
  try {
    await beginRemoval(cluster, live);
  } finally {
    cluster.close();
  }
}
