import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { kubeconfigFile } from "../../infra/naming";
import { BACKENDS } from "../../infra/outputs";
import { openKubeApi, type KubeList } from "../../infra/support/kube-api";
import {
  contextOf,
  entriesOf,
  kubeconfigFiles,
  type OneContext,
  parseKubeconfig,
  readKubeconfigs,
} from "../../infra/support/kubeconfig";
import type { ApiNamespace } from "../cluster/namespaces";
import { ROOT } from "../paths";
import { readStackFile } from "../stack/stack-file";

export type { ApiNamespace };

/** A cluster that previews may be on. */
export interface PreviewCluster extends OneContext {
  /** The stack that named it, for people. */
  stack: string;
}

/**
 * Finds ways into stacks' clusters by files alone: no Pulumi is asked. Each kubeconfig is read once, for a hundred
 * previews name the same one.
 */
export function clusterReader(): (stack: string) => PreviewCluster | undefined {
  const contexts = new Map<string, OneContext | undefined>();
  return (stack) => {
    const way = wayOf(stack);
    if (!way) return undefined;
    const key = JSON.stringify(way);
    if (!contexts.has(key)) contexts.set(key, readContext(way));
    const context = contexts.get(key);
    return context && { ...context, stack };
  };
}

interface Way {
  files: string[];
  context?: string;
}

/** Of a cluster of somebody else only the context that is named, never the one that happens to be current. */
function wayOf(stack: string): Way | undefined {
  const config = readStackFile(stack)?.config ?? {};
  const backend = BACKENDS.find((name) => name === (config["backend"] || stack));
  if (backend === "k3s" || backend === "kind") return { files: [kubeconfigFile(ROOT, stack)] };
  const { kubeconfig, kubeContext } = config;
  if (typeof kubeContext !== "string" || kubeContext === "") return undefined;
  return {
    files: typeof kubeconfig === "string" && kubeconfig !== "" ? [resolve(ROOT, kubeconfig)] : kubeconfigFiles(),
    context: kubeContext,
  };
}

/** A kubeconfig that is gone, or has a slip in it, leads nowhere; who needs this one says so. */
function readContext({ files, context }: Way): OneContext | undefined {
  if (!files.some((file) => existsSync(file))) return undefined;
  try {
    const all = readKubeconfigs(files);
    return contextOf(all, context ?? all["current-context"] ?? "");
  } catch {
    return undefined;
  }
}

/** Each cluster once, by its server. */
export function distinct(clusters: readonly PreviewCluster[]): PreviewCluster[] {
  return clusters.filter(({ server }, index) => clusters.findIndex((other) => other.server === server) === index);
}

/** Namespaces of a cluster that carry a label; nothing where the cluster does not answer. */
export async function labelledNamespaces(kubeconfig: string, label: string): Promise<ApiNamespace[] | undefined> {
  const api = await openKubeApi(kubeconfig);
  try {
    return (
      (await api.get<KubeList<ApiNamespace>>(`/api/v1/namespaces?labelSelector=${encodeURIComponent(label)}`))?.items ??
      []
    );
  } catch {
    return undefined;
  } finally {
    api.close();
  }
}

/** Address of the API server that a kubeconfig's current context leads to. */
export function serverOf(kubeconfig: string): string {
  const config = parseKubeconfig(kubeconfig);
  return entriesOf(config, config["current-context"] ?? "")?.cluster?.server ?? "";
}

/** One namespace, or nothing where there is none of the name. @throws Error when the cluster does not answer */
export async function namespaceOf(kubeconfig: string, name: string): Promise<ApiNamespace | undefined> {
  const api = await openKubeApi(kubeconfig);
  try {
    return await api.get<ApiNamespace>(`/api/v1/namespaces/${name}`);
  } finally {
    api.close();
  }
}
