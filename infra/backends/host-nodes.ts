import { execIn, runningContainers } from "../support/docker";
import { openKubeApi, type KubeList } from "../support/kube-api";

interface Node {
  metadata: { name: string };
  status: { nodeInfo: { bootID: string } };
}

/** Where the nodes of a cluster run. */
export interface NodePlaces {
  /** Containers of this host that are nodes of the cluster. */
  containers: string[];
  /** Nodes that are elsewhere. */
  elsewhere: string[];
}

/**
 * Finds the containers of this host that are nodes of a cluster: kind's, k3d's and this project's have the node's
 * name as theirs or as their host name. That both run on one kernel tells them from a namesake's.
 * @param only the nodes to look for; default all
 */
export async function placesOfNodes(
  kubeconfig: string,
  only: (node: string) => boolean = () => true,
): Promise<NodePlaces> {
  const api = await openKubeApi(kubeconfig);
  const nodes =
    (
      await api.get<KubeList<Node>>("/api/v1/nodes").finally(() => {
        api.close();
      })
    )?.items ?? [];
  const running = await runningContainers();
  const found = await Promise.all(
    nodes
      .filter((node) => only(node.metadata.name))
      .map(async (node) => {
        const { name } = node.metadata;
        const namesakes = running.filter((container) => container.hostname === name);
        // Of several with one host name nobody knows which is the node.
        const match =
          running.find((container) => container.name === name) ?? (namesakes.length === 1 ? namesakes[0] : undefined);
        return {
          name,
          container: match && (await bootIdOf(match.name)) === node.status.nodeInfo.bootID ? match.name : undefined,
        };
      }),
  );
  return {
    containers: found.flatMap(({ container }) => container ?? []).sort(),
    elsewhere: found
      .filter(({ container }) => !container)
      .map(({ name }) => name)
      .sort(),
  };
}

async function bootIdOf(container: string): Promise<string> {
  return (await execIn(container, ["cat", "/proc/sys/kernel/random/boot_id"])).stdout;
}
