import * as pulumi from "@pulumi/pulumi";
import type { Backend, BackendArgs, Cluster, LocalImage } from "./backend";
import { chooseContext } from "./contexts";
import { declareOn } from "./existing";
import { placesOfNodes } from "./host-nodes";
import { DOCKER_DESKTOP_CONTEXTS } from "./local-contexts";
import { tagLocally } from "./node-images";

/** Docker Desktop's own cluster: its nodes see the images of the local daemon, unless they are kind's in disguise. */
export const dockerDesktop: Backend = {
  name: "docker-desktop",

  declare(args: BackendArgs, parent: pulumi.Resource): Cluster {
    return declareOn(chooseContext(args, DOCKER_DESKTOP_CONTEXTS), nodesToLoad, args, parent);
  },
};

// --- load ------------------------------------------------------------------------------------------------

/**
 * A node `<cluster>-control-plane` that is a container of this host is kind's: its cluster gets the images. Any
 * other node runs on the local daemon, which has them and only needs their names.
 */
async function nodesToLoad(images: readonly LocalImage[], kubeconfig: string): Promise<string[]> {
  if (!pulumi.runtime.isDryRun()) await tagLocally(images);
  const { containers } = await placesOfNodes(kubeconfig);
  return containers.some((name) => name.endsWith("-control-plane")) ? containers : [];
}
