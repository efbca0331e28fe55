/** containerd's handler that checkpoints and restores; a node lists it when it has the runtime. */
export const HANDLER = "checkpoint";

/** A node, as far as it says which runtimes it has. */
export interface CheckpointNode {
  metadata: { name: string };
  status: { runtimeHandlers?: { name: string }[] };
}

/** Returns the names of the nodes that cannot checkpoint. */
export function nodesWithoutRuntime(nodes: readonly CheckpointNode[]): string[] {
  return nodes
    .filter(({ status }) => !status.runtimeHandlers?.some(({ name }) => name === HANDLER))
    .map(({ metadata }) => metadata.name);
}
