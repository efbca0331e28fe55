/** The handlers of the kubernetes resource provider. */
import { notImplemented } from "../rpc/errors";
import type { DiffRequest, DiffResult } from "../rpc/requests";
import type { ProviderHandlers } from "../rpc/service";
import { check } from "./check";
import { parseCheckpoint, toObject } from "./checkpoint";
import { Cluster } from "./cluster";
import { checkConfig, diffConfig, parseConfig } from "./config";
import { diffObjects } from "./diff";
import {
  checkRelease,
  createRelease,
  deleteRelease,
  diffRelease,
  Helm,
  isRelease,
  readRelease,
  updateRelease,
} from "./helm";
import { normalize } from "./normalize";
import { read } from "./read";
import { remove } from "./remove";
import { PLUGIN_VERSION } from "./version";
import { create, update } from "./write";

/** The handlers of one provider instance; it serves one configuration. */
export function kubernetesHandlers(): ProviderHandlers {
  let configured: { cluster: Cluster; helm: Helm } | undefined;
  const tools = (): { cluster: Cluster; helm: Helm } => {
    if (!configured) throw new Error("the kubernetes provider is used before it is configured");
    return configured;
  };
  const cluster = (): Cluster => tools().cluster;
  return {
    getSchema: () => JSON.stringify({ name: "kubernetes", version: PLUGIN_VERSION }),
    checkConfig: ({ news }) => checkConfig(news),
    diffConfig: (request) => diffConfig(request),
    configure: ({ args }) => {
      const config = parseConfig(args);
      configured = { cluster: new Cluster(config), helm: new Helm(config) };
    },
    check: (request) => (isRelease(request.type) ? checkRelease(tools(), request) : check(cluster(), request)),
    diff: (request) => (isRelease(request.type) ? diffRelease(request) : diff(cluster(), request)),
    create: (request, context) =>
      isRelease(request.type) ? createRelease(tools(), request, context) : create(cluster(), request, context),
    read: (request, context) =>
      isRelease(request.type) ? readRelease(tools(), request, context) : read(cluster(), request, context),
    update: (request, context) =>
      isRelease(request.type) ? updateRelease(tools(), request, context) : update(cluster(), request, context),
    delete: (request, context) =>
      isRelease(request.type) ? deleteRelease(tools(), request, context) : remove(cluster(), request, context),
    invoke: ({ token }) => {
      throw notImplemented(`the function "${token}"`);
    },
  };
}

async function diff(cluster: Cluster, request: DiffRequest): Promise<DiffResult> {
  const { inputs, live } = parseCheckpoint(request.olds);
  const newInputs = normalize(toObject(request.news));
  return diffObjects({
    oldInputs: normalize(inputs),
    live,
    newInputs,
    namespaced: await cluster.isNamespaced(newInputs),
    ignoreChanges: request.ignoreChanges,
    settings: cluster.config,
  });
}
