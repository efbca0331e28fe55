import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterOutput } from "../outputs";
import { UserError } from "../support/errors";
import { record } from "../support/facts";
import { type KubeApi, KubeRefusal, openKubeApi } from "../support/kube-api";
import { type Look, waitFor } from "../support/wait";
import type { Backend, BackendArgs, Cluster, LocalImage } from "./backend";
import { chooseContext, type ChosenContext } from "./contexts";
import { placesOfNodes } from "./host-nodes";
import { loadInto } from "./node-images";
import { clusterReady } from "./ready";
import { requireRights, rightsFor } from "./rights";

/** A cluster that is there already: only the namespace is made in it, and removed again. */
export const existing: Backend = {
  name: "existing",

  declare(args: BackendArgs, parent: pulumi.Resource): Cluster {
    return declareOn(chooseContext(args), nodesToLoad, args, parent);
  },
};

// --- declare ---------------------------------------------------------------------------------------------

/**
 * Declares nothing but the way into a cluster that somebody else made.
 * @param nodesToLoad the containers that need the images; throws where images cannot get to the nodes
 */
export function declareOn(
  context: ChosenContext,
  nodesToLoad: (images: readonly LocalImage[], kubeconfig: string) => Promise<string[]>,
  args: BackendArgs,
  parent: pulumi.Resource,
): Cluster {
  const facts = pulumi.output(context).apply((chosen) => ready(chosen, args));
  const kubeconfig = pulumi.secret(facts.apply(() => context.kubeconfig));
  // What is unreachable for a while must not be forgotten: the namespace would stay there for ever. That is the
  // default; said here, it would win over the variable by which `down --cluster-gone` says otherwise.
  const provider = new k8s.Provider(
    "cluster",
    { kubeconfig, clusterIdentifier: `${context.name}@${context.server}` },
    { parent },
  );
  return {
    provider,
    kubeconfig,
    facts,
    load: (images) =>
      loadInto(
        pulumi.all([images, facts]).apply(([list]) => nodesToLoad(list, context.kubeconfig)),
        images,
        args.settings.readyTimeout,
      ),
  };
}

// --- ready -----------------------------------------------------------------------------------------------

/** Seconds that a cluster which is there already may take to answer. */
const ANSWERS_WITHIN = 10;

/** Any answer will do: whether it accepts the credentials is another question. */
async function answers(api: KubeApi): Promise<Look<true>> {
  return api.get("/version").then(
    () => ({ value: true as const }),
    (error: unknown) => {
      if (error instanceof UserError) throw error;
      return error instanceof KubeRefusal ? { value: true as const } : { reason: (error as Error).message };
    },
  );
}

/** What is there already answers at once or not at all; some of its nodes may be down. */
async function ready(
  { name, server, kubeconfig, user, kubectl }: ChosenContext,
  { settings }: BackendArgs,
): Promise<ClusterOutput> {
  const start = Date.now();
  const api = await openKubeApi(kubeconfig);
  try {
    await waitFor(
      () => answers(api),
      { deadline: ANSWERS_WITHIN * 1000 },
      (reason, seconds) =>
        new UserError("E_CLUSTER_UNREACHABLE", {
          seen: `context "${name}", ${server} after ${seconds} s: ${reason}`,
          wanted: "an API server that answers",
          next: `${kubectl} version`,
        }),
    );
    await requireRights(api, await rightsFor(api, settings), { user, kubectl });
  } finally {
    api.close();
  }
  const facts = await clusterReady(kubeconfig, {
    name,
    timeout: settings.readyTimeout,
    lenient: true,
    storageClass: settings.storageClass,
    alive: () => Promise.resolve(),
    next: `${kubectl} get nodes,pods --all-namespaces`,
  });
  record({ clusterReadyMs: Date.now() - start });
  return facts;
}

// --- load ------------------------------------------------------------------------------------------------

/** All nodes, where all are containers of this host: a pod may be put on any. */
async function nodesToLoad(images: readonly LocalImage[], kubeconfig: string): Promise<string[]> {
  if (images.length === 0) return [];
  const { containers, elsewhere } = await placesOfNodes(kubeconfig);
  if (elsewhere.length === 0) return containers;
  throw new UserError("E_IMAGE_NOT_ON_NODE", {
    seen: `images built here (${images.map(({ name }) => name).join(", ")}) cannot be loaded into ${elsewhere.join(", ")}: no container of this host`,
    wanted: "a registry that the nodes can pull from, or ready images",
    next: "pulumi config set registry HOST/PATH   (or: pulumi config set bayImage REFERENCE, and shipImage)",
  });
}
