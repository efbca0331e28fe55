import * as pulumi from "@pulumi/pulumi";
import { Access } from "./components/access";
import { Bay } from "./components/bay";
import { BayConfig } from "./components/bay-config";
import { Cluster } from "./components/cluster";
import { Images } from "./components/images";
import { Namespace } from "./components/namespace";
import { PROFILES, profileOutputs } from "./components/profiles";
import { imageSources } from "./config";
import { annotationsOf, labelsOf, ownerOf } from "./naming";
import type { StackOutputs } from "./outputs";
import { readProgramConfig } from "./program-config";

const { settings, root, stack } = readProgramConfig();
const owner = ownerOf(root, stack);

const cluster = new Cluster("cluster", { settings, owner });
const inCluster = { provider: cluster.provider, deletedWith: cluster.owns };
const { images, pullPolicy } = new Images("images", { root, stack, sources: imageSources(settings), load: (list) => cluster.load(list) });
const { namespace } = new Namespace("namespace", { name: settings.namespace, labels: labelsOf(owner), annotations: annotationsOf(owner) }, inCluster);
const access = new Access("access", { ...settings, namespace }, inCluster);
const config = new BayConfig("bay-config", {
  ...settings, name: settings.configMap, namespace, port: settings.bayPort, profiles: PROFILES,
  shipImage: images.ship.reference, pullPolicy: pullPolicy.ship,
}, inCluster);
const bay = new Bay("bay", {
  ...settings, name: settings.pod, namespace, port: settings.bayPort, image: images.bay.reference, pullPolicy: pullPolicy.bay,
  serviceAccount: access.serviceAccount, configMap: config.configMap, configDigest: config.digest, security: settings.bayPodSecurity,
}, inCluster);

const outputs: { [K in keyof StackOutputs]: pulumi.Input<StackOutputs[K]> } = {
  backend: settings.backend, namespace, pod: bay.pod, port: settings.bayPort, apiKey: bay.apiKey, kubeconfig: cluster.kubeconfig,
  cluster: cluster.facts, images: pulumi.output(images), profiles: profileOutputs(PROFILES),
};
module.exports = outputs;
