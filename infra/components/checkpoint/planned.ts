import { existsSync } from "node:fs";
import { join } from "node:path";
import { checkpointMode, type Settings } from "../../config";
import { type KubeList, openKubeApi } from "../../support/kube-api";
import type { WantedNamespace } from "../free-namespaces";
import { cedana } from "./cedana";
import { local } from "./local";
import { type CheckpointNode, HANDLER, nodesWithoutRuntime } from "./nodes";
import type { Source } from "./source";

/** The namespaces that a stack would make: Bay's, and the propagator's where it gets one. */
export async function plannedNamespaces(
  settings: Settings,
  root: string,
  kubeconfig: string,
): Promise<WantedNamespace[]> {
  const own = { name: settings.namespace, key: "namespace" };
  const mode = checkpointMode(settings);
  const source = sourceOf(settings);
  const none =
    mode === false ||
    (source === local && !hasChart(root)) ||
    (mode === "auto" && (await nodesWithout(kubeconfig)) !== undefined);
  return none
    ? [own]
    : [own, { name: settings.checkpointNamespace || source.namespace(settings), key: "checkpointNamespace" }];
}

/** Who answers the propagator's API. */
export function sourceOf({ cedanaToken }: Settings): Source {
  return cedanaToken === "" ? local : cedana;
}

/** Whether the checkout has the chart of this repository's own propagator. */
export function hasChart(root: string): boolean {
  return existsSync(join(root, "charts", "propagator", "Chart.yaml"));
}

/** Why the nodes of a cluster cannot checkpoint; nothing when all can. */
export async function nodesWithout(kubeconfig: string): Promise<string | undefined> {
  const api = await openKubeApi(kubeconfig);
  try {
    const without = nodesWithoutRuntime((await api.get<KubeList<CheckpointNode>>("/api/v1/nodes"))?.items ?? []);
    return without.length === 0 ? undefined : `containerd on ${without.join(", ")} has no handler "${HANDLER}"`;
  } finally {
    api.close();
  }
}
