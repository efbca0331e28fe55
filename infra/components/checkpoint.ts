import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { checkpointMode, imageSources, type Settings } from "../config";
import { labelsOf, namespaceAnnotationsOf, type Owner } from "../naming";
import type { CheckpointOutput } from "../outputs";
import { UserError } from "../support/errors";
import { openKubeApi, type KubeList } from "../support/kube-api";
import { kubectlOfStack } from "../support/kubectl";
import { waitFor } from "../support/wait";
import { local } from "./checkpoint/local";
import { hasChart, nodesWithout, sourceOf } from "./checkpoint/planned";
import type { Source } from "./checkpoint/source";
import type { Cluster } from "./cluster";
import { Component, type ComponentOptions } from "./component";
import { Images } from "./images";
import { Namespace } from "./namespace";
import { PullSecret, type Registry } from "./registry";

export interface CheckpointArgs {
  settings: Settings;
  owner: Owner;
  /** The folder that holds Pulumi.yaml. */
  root: string;
  cluster: Cluster;
  registry: Registry | undefined;
  /** Known once the names of all the stack's namespaces are nobody else's. */
  free: pulumi.Output<unknown>;
  /** The stack's namespace, whose pods are to be checkpointed; known once it exists. */
  workloads: pulumi.Input<string>;
}

/** What a stack has of checkpoints. */
export interface Checkpoints {
  output: pulumi.Output<CheckpointOutput>;
  /** Bearer token of the API; empty where there is none. Secret. */
  token: pulumi.Output<string>;
}

/**
 * The propagator of a stack, if it has one. On a cluster that is not the stack's own the nodes decide, unless the
 * configuration does; they can be asked in a preview too, because that cluster is there.
 */
export function declareCheckpoints(args: CheckpointArgs): Checkpoints {
  const { settings, cluster } = args;
  const mode = checkpointMode(settings);
  if (mode === false) return none("the configuration says checkpoint: false");
  if (sourceOf(settings) === local && !hasChart(args.root)) return none("this checkout has no charts/propagator");
  if (mode === true) return new Checkpoint("checkpoint", args, inOwn(cluster));
  const decided = pulumi
    .output(cluster.kubeconfig.apply(nodesWithout))
    .apply((missing): Checkpoints =>
      missing === undefined ? new Checkpoint("checkpoint", args, inOwn(cluster)) : none(missing),
    );
  return {
    output: pulumi.unsecret(decided.apply(({ output }) => output)),
    token: pulumi.secret(decided.apply(({ token }) => token)),
  };
}

/** The Helm release of a propagator in a namespace of its own, with the image that it needs. */
export class Checkpoint extends Component implements Checkpoints {
  readonly output: pulumi.Output<CheckpointOutput>;
  readonly token: pulumi.Output<string>;
  readonly nodes: { namespace: k8s.core.v1.Namespace; release: k8s.helm.v3.Release };

  constructor(name: string, args: CheckpointArgs, options: ComponentOptions) {
    super("Checkpoint", name, options);
    const { settings, cluster, owner } = args;
    const source = sourceOf(settings);
    const { image, pullPolicy } =
      source === local ? this.declareImage(args, options) : { image: "", pullPolicy: "IfNotPresent" as const };
    const { namespace, nodes } = this.declareNamespace(source, args, options);
    const { names: pullSecrets } = new PullSecret(
      "checkpoint-pull-secret",
      { namespace, registry: args.registry },
      { parent: this, ...deletedWith(options) },
    );
    const release = this.declareRelease(source, { ...args, namespace, image, pullPolicy, pullSecrets });
    const { version, status } = release;
    const ready = pulumi
      .all([cluster.kubeconfig, namespace, status.revision])
      .apply(([kubeconfig, place]) =>
        pulumi.runtime.isDryRun()
          ? undefined
          : agentsReady(kubeconfig, { namespace: place, timeout: settings.checkpointTimeout, stack: owner.stack }),
      );
    this.output = pulumi.unsecret(
      pulumi
        .all([namespace, status.name, status.chart, version, ready])
        .apply(([place, made, chart, chartVersion]): CheckpointOutput => ({
          source: source.name,
          reason: "",
          ...source.answers({ settings, owner }),
          namespace: place,
          release: made,
          chart: `${chart} ${chartVersion}`,
        })),
    );
    this.token = pulumi.secret(
      pulumi.all([release.values, ready]).apply(([values]) => source.token(values as Record<string, never>)),
    );
    this.nodes = { namespace: nodes.namespace, release };
    this.registerOutputs({ output: this.output });
  }

  private declareImage(
    { settings, owner, root, registry, cluster }: CheckpointArgs,
    options: ComponentOptions,
  ): { image: pulumi.Output<string>; pullPolicy: "Never" | "IfNotPresent" } {
    const { images, pullPolicy } = new Images(
      "checkpoint-images",
      {
        root,
        stack: owner.stack,
        registry,
        sources: { propagator: imageSources(settings).propagator },
        load: (list) => cluster.load(list),
      },
      { parent: this, ...deletedWith(options) },
    );
    return { image: images.propagator.reference, pullPolicy: pullPolicy.propagator };
  }

  private declareNamespace(
    source: Source,
    { settings, owner, free }: CheckpointArgs,
    options: ComponentOptions,
  ): Namespace {
    return new Namespace(
      "checkpoint-namespace",
      {
        name: pulumi.unsecret(free.apply(() => settings.checkpointNamespace || source.namespace(settings))),
        // Its agents see the processes of their node.
        labels: { ...labelsOf(owner), "pod-security.kubernetes.io/enforce": "privileged" },
        annotations: namespaceAnnotationsOf(owner),
      },
      { parent: this, ...deletedWith(options) },
    );
  }

  private declareRelease(source: Source, args: Parameters<Source["release"]>[0]): k8s.helm.v3.Release {
    const { name, chart, version, values, keep } = source.release(args);
    return new k8s.helm.v3.Release(
      this.childName("release"),
      {
        name,
        chart,
        namespace: args.namespace,
        values,
        ...(version === undefined ? {} : { version }),
        atomic: true,
        cleanupOnFail: true,
        timeout: args.settings.checkpointTimeout,
        maxHistory: 3,
      },
      this.child({
        ignoreChanges: keep,
        customTimeouts: {
          create: `${args.settings.checkpointTimeout}s`,
          update: `${args.settings.checkpointTimeout}s`,
          delete: `${args.settings.checkpointTimeout}s`,
        },
      }),
    );
  }
}

function none(reason: string): Checkpoints {
  return {
    output: pulumi.output({
      source: "none",
      reason,
      url: "",
      forward: null,
      clusterId: "",
      namespace: "",
      release: "",
      chart: "",
    }),
    token: pulumi.secret(""),
  };
}

/** What is in a cluster of the stack's own goes with it; a release in another's must be uninstalled. */
function inOwn({ provider, owns }: Cluster): ComponentOptions {
  return { provider, ...(owns ? { deletedWith: owns } : {}) };
}

function deletedWith({ deletedWith: owner }: ComponentOptions): Pick<ComponentOptions, "deletedWith"> {
  return owner ? { deletedWith: owner } : {};
}

interface DaemonSet {
  metadata: { name: string; generation: number };
  status: { desiredNumberScheduled: number; numberReady: number; observedGeneration?: number };
}

/**
 * Waits until every node has its agent. Helm counts a DaemonSet as ready that may do without some pods, and on one
 * node that is without any.
 */
async function agentsReady(
  kubeconfig: string,
  { namespace, timeout, stack }: { namespace: string; timeout: number; stack: string },
): Promise<void> {
  const api = await openKubeApi(kubeconfig);
  try {
    await waitFor(
      async () => {
        const sets =
          (await api.get<KubeList<DaemonSet>>(`/apis/apps/v1/namespaces/${namespace}/daemonsets`))?.items ?? [];
        const late = sets.find(
          ({ metadata, status }) =>
            status.observedGeneration !== metadata.generation || status.numberReady < status.desiredNumberScheduled,
        );
        return late
          ? {
              reason: `DaemonSet ${late.metadata.name} has ${late.status.numberReady} of ${late.status.desiredNumberScheduled} pods ready`,
            }
          : { value: true };
      },
      { deadline: timeout * 1000, interval: 250 },
      (reason, seconds) =>
        new UserError("E_PROPAGATOR_NOT_READY", {
          seen: `${reason} after ${seconds} s`,
          wanted: "an agent on every node",
          next: `${kubectlOfStack(stack)} --namespace ${namespace} describe pods`,
        }),
    );
  } finally {
    api.close();
  }
}
