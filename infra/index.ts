import * as pulumi from "@pulumi/pulumi";
import { Access } from "./components/access";
import { Bay } from "./components/bay";
import { BayConfig } from "./components/bay-config";
import { declareCheckpoints } from "./components/checkpoint";
import { CheckpointRuntime } from "./components/checkpoint-runtime";
import { plannedNamespaces } from "./components/checkpoint/planned";
import { Cluster } from "./components/cluster";
import { freeNamespaces } from "./components/free-namespaces";
import { apiServerOf, Guard } from "./components/guard";
import { clusterDnsOf } from "./components/dns";
import { Images } from "./components/images";
import { Namespace } from "./components/namespace";
import { Network } from "./components/network";
import { PROFILES, profileOutputs } from "./components/profiles";
import { PullSecret, registryOf } from "./components/registry";
import { rehearsed } from "./components/rehearsal";
import { checkpointMode, imageSources } from "./config";
import { knowFormerNames } from "./former-names";
import { annotationsOf, labelsOf, namespaceAnnotationsOf, ownerOf } from "./naming";
import type { StackOutputs } from "./outputs";
import { previewAnnotations, previewIn, previewLabels } from "./preview";
import { readProgramConfig } from "./program-config";
import { quotaOf } from "./quota";
import { endOnRejection } from "./support/end-on-rejection";
import { kubectlOfStack } from "./support/kubectl";
import { onLongWait } from "./support/wait";

endOnRejection();
knowFormerNames();
// Shown while the program waits for a node or a cluster, and kept nowhere.
onLongWait((reason, seconds) => {
  void pulumi.log.info(`${reason} (${seconds} s)`, undefined, undefined, true);
});
const { settings, root, stack } = readProgramConfig();
const owner = ownerOf(root, stack);
const preview = previewIn(settings);

const sources = imageSources(settings);

const cluster = new Cluster("cluster", { settings, owner, root });
const registry = registryOf(settings);
const { images, pullPolicy } = new Images("images", {
  root,
  stack,
  registry,
  sources: { bay: sources.bay, ship: sources.ship },
  load: (list) => cluster.load(list),
});
const free = cluster.kubeconfig.apply(async (kubeconfig) =>
  freeNamespaces(kubeconfig, await plannedNamespaces(settings, root, kubeconfig), {
    owner,
    kubectl: kubectlOfStack(stack),
    timeout: settings.readyTimeout,
    tell: (line) => {
      void pulumi.log.info(line, undefined, undefined, true);
    },
  }),
);
const { namespace, nodes } = new Namespace(
  "namespace",
  {
    // What is made from a secret is one too, unless it is said that it is none.
    name: pulumi.unsecret(free.apply(() => settings.namespace)),
    labels: { ...labelsOf(owner), ...(preview ? previewLabels(preview, settings.bayPodSecurity) : {}) },
    annotations: { ...namespaceAnnotationsOf(owner), ...(preview ? previewAnnotations(preview) : {}) },
  },
  { provider: cluster.provider, deletedWith: cluster.owns },
);
const inCluster = { provider: cluster.provider, deletedWith: cluster.owns ?? nodes.namespace };
const access = new Access("access", { ...settings, namespace }, inCluster);
const { names: pullSecrets } = new PullSecret("pull-secret", { namespace, registry }, inCluster);
const dns = pulumi.unsecret(cluster.kubeconfig.apply(clusterDnsOf));
const guard =
  preview &&
  new Guard(
    "guard",
    {
      namespace,
      quota: quotaOf(settings.previewQuota),
      profiles: PROFILES,
      dns,
      apiServer: pulumi.unsecret(cluster.kubeconfig.apply(apiServerOf)),
    },
    inCluster,
  );
const container = {
  name: settings.pod,
  namespace,
  image: images.bay.reference,
  pullPolicy: pullPolicy.bay,
  pullSecrets,
  port: settings.bayPort,
  security: settings.bayPodSecurity,
  readyTimeout: settings.readyTimeout,
};
const config = new BayConfig(
  "bay-config",
  {
    ...settings,
    name: settings.configMap,
    namespace,
    port: settings.bayPort,
    profiles: PROFILES,
    pullSecrets,
    nodes: cluster.facts.nodes,
    shipImage: images.ship.reference,
    pullPolicy: pullPolicy.ship,
    approve: rehearsed({ ...container, kubeconfig: cluster.kubeconfig, kubectl: kubectlOfStack(stack) }),
  },
  inCluster,
);
// After the configuration: a Bay that is not approved leaves the way to the old one's port open.
const { bayClients, bayMetricsClients } = settings;
new Network(
  "network",
  {
    namespace,
    port: settings.bayPort,
    profiles: PROFILES,
    dns,
    clients: bayClients,
    metricsClients: bayMetricsClients,
  },
  { ...inCluster, dependsOn: config },
);
const bay = new Bay(
  "bay",
  {
    ...container,
    storageClass: settings.storageClass,
    apiKey: settings.apiKey,
    serviceAccount: access.serviceAccount,
    configMap: config.configMap,
    configDigest: config.digest,
  },
  { ...inCluster, ...(guard ? { dependsOn: guard } : {}) },
);
const checkpointRuntime =
  checkpointMode(settings) === true && cluster.owns
    ? new CheckpointRuntime(
        "checkpoint-runtime",
        { labels: labelsOf(owner), annotations: annotationsOf(owner) },
        inCluster,
      )
    : undefined;
const checkpoints = declareCheckpoints({ settings, owner, root, cluster, registry, free, workloads: namespace });

const outputs: { [K in keyof StackOutputs]: pulumi.Input<StackOutputs[K]> } = {
  backend: settings.backend,
  namespace,
  pod: bay.pod,
  port: settings.bayPort,
  apiKey: bay.apiKey,
  kubeconfig: cluster.kubeconfig,
  cluster: cluster.facts,
  images: pulumi.output(images),
  profiles: profileOutputs(PROFILES),
  checkpointRuntimeClass: checkpointRuntime?.runtimeClass ?? "",
  checkpoint: checkpoints.output,
  propagatorToken: checkpoints.token,
};
module.exports = outputs;
