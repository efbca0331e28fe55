import * as docker from "@pulumi/docker";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { resolve } from "node:path";
import { stringify } from "yaml";
import type { Settings } from "../config";
import { clusterName, kubeconfigFile, dockerLabelsOf } from "../naming";
import type { ClusterOutput } from "../outputs";
import { inspectNow } from "../support/docker-inspect";
import { UserError } from "../support/errors";
import { record } from "../support/facts";
import { type Backend, type BackendArgs, type Cluster, POD_PIDS_LIMIT } from "./backend";
import { requireFreeNames } from "./docker-names";
import { KindCluster } from "./kind-cluster";
import { requireRunning, startIfStopped } from "./node-containers";
import { nodeImage } from "./node-image";
import { loadInto } from "./node-images";
import { clusterReady } from "./ready";

/** A cluster by the kind CLI, in a Docker network of its own. */
export const kind: Backend = {
  name: "kind",

  declare(args: BackendArgs, parent: pulumi.Resource): Cluster {
    requireFreeNames(args.settings, args.owner);
    const name = args.settings.clusterName || clusterName(args.owner);
    const cluster = declareCluster(name, args, parent);
    const running = pulumi
      .all([cluster.nodes, cluster.kubeconfig])
      .apply(([nodes, kubeconfig]) => ready(name, nodes, kubeconfig, args.settings));
    const kubeconfig = pulumi.secret(running.apply((state) => state.kubeconfig));
    const provider = new k8s.Provider(
      "cluster",
      { kubeconfig, clusterIdentifier: name, deleteUnreachable: true },
      { parent, deletedWith: cluster },
    );
    return {
      provider,
      kubeconfig,
      owns: cluster,
      facts: running.apply((state) => state.facts),
      load: (images) =>
        loadInto(
          cluster.nodes.apply((nodes) => nodesOf(name, nodes)),
          images,
          args.settings.readyTimeout,
        ),
    };
  },
};

// --- declare ---------------------------------------------------------------------------------------------

function declareCluster(name: string, args: BackendArgs, parent: pulumi.Resource): KindCluster {
  const { settings, owner, root } = args;
  // A network of the cluster's own carries our label, which kind's nodes cannot, and goes with the stack; kind's
  // shared one would stay.
  const network = new docker.Network(
    "network",
    {
      name,
      labels: Object.entries(dockerLabelsOf(owner)).map(([label, value]) => ({ label, value })),
    },
    { parent, deleteBeforeReplace: true },
  );
  return new KindCluster(
    "kind",
    {
      name,
      image: nodeImage("kind", settings.kindImage, args, parent),
      config: kindConfig(settings, root),
      kubeconfigFile: kubeconfigFile(root, owner.stack),
      network: network.name,
    },
    { parent },
  );
}

/** kind's configuration file (https://kind.sigs.k8s.io/docs/user/configuration). */
export function kindConfig({ kindNodes, kindExtraMounts, kindContainerdPatches }: Settings, root: string): string {
  const extraMounts = kindExtraMounts.map((mount) => ({ ...mount, hostPath: resolve(root, mount.hostPath) }));
  const nodes = Array.from({ length: kindNodes }, (_, index) => ({
    role: index === 0 ? "control-plane" : "worker",
    ...(extraMounts.length > 0 ? { extraMounts } : {}),
  }));
  return stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    networking: { apiServerAddress: "127.0.0.1" },
    nodes,
    kubeadmConfigPatches: [
      stringify({
        kind: "KubeletConfiguration",
        apiVersion: "kubelet.config.k8s.io/v1beta1",
        podPidsLimit: POD_PIDS_LIMIT,
      }),
    ],
    ...(kindContainerdPatches.length > 0 ? { containerdConfigPatches: kindContainerdPatches } : {}),
  });
}

// --- ready -----------------------------------------------------------------------------------------------

async function ready(
  name: string,
  ids: readonly string[] | undefined,
  kubeconfig: string,
  settings: Settings,
): Promise<{ kubeconfig: string; facts: ClusterOutput }> {
  const start = Date.now();
  const nodes = nodesOf(name, ids).map((node) => ({ container: node, name: node }));
  await Promise.all(nodes.map(startIfStopped));
  const alive = async () => {
    await Promise.all(nodes.map(requireRunning));
  };
  await alive();
  const facts = await clusterReady(kubeconfig, {
    name,
    timeout: settings.readyTimeout,
    alive,
    next: `docker logs ${nodes[0]!.name}`,
  });
  record({ clusterReadyMs: Date.now() - start });
  return { kubeconfig, facts: { ...facts, distribution: `kind ${facts.distribution}` } };
}

/**
 * Names of the containers that kind made for the cluster, control plane first; whoever else has its name has another
 * id.
 */
function nodesOf(name: string, ids: readonly string[] | undefined): string[] {
  if (ids === undefined) {
    throw new UserError("E_CLUSTER_NOT_READY", {
      seen: `Docker did not say which containers kind created for cluster ${name}`,
      wanted: "their ids, which the next up records",
      next: "docker ps --all && pulumi up --yes",
    });
  }
  const nodes = inspectNow("container", ids).map(({ Name }) => Name.replace(/^\//, ""));
  if (nodes.length > 0) return nodes.sort();
  throw new UserError("E_NODE_GONE", {
    seen: `no container of kind cluster ${name}, which is in the stack's state`,
    wanted: "the cluster's nodes",
    next: "pulumi refresh --yes && pulumi up --yes",
  });
}
