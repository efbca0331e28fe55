import {
  entriesOf,
  kubeconfigFiles,
  type KubeconfigCluster,
  readKubeconfigs,
  without,
} from "../../infra/support/kubeconfig";
import { kubeconfigError } from "../../infra/support/kubeconfig-file";
import { clusterProblems } from "../../infra/support/kubeconfig-problems";
import { proxyOf } from "../../infra/support/proxy";

/** One context, with what is needed to knock at its API server. */
export interface FoundContext {
  name: string;
  /** URL of the API server, as written. */
  server: string;
  /** The proxy that requests go through. */
  proxy?: string;
  cluster: KubeconfigCluster;
}

export interface KubeconfigFacts {
  files: string[];
  problem?: string;
  context?: FoundContext;
}

/**
 * Finds a context by kubectl's rules. Nothing is written and no credential is read.
 * @param named a file, a context or both that the configuration names, in place of KUBECONFIG and the current one
 */
export function findContext(env: NodeJS.ProcessEnv, named: { file?: string; context?: string } = {}): KubeconfigFacts {
  const files = named.file ? [named.file] : kubeconfigFiles(env);
  try {
    const config = readKubeconfigs(files);
    const name = named.context ?? config["current-context"];
    if (!name) return { files };
    const { context, cluster } = entriesOf(config, name) ?? {};
    if (!context || !cluster) return { files, problem: `context ${name}, or its cluster, is in no kubeconfig file` };
    const problems = clusterProblems(cluster, `clusters["${context.cluster}"]`);
    if (problems.length > 0) throw kubeconfigError(problems);
    const proxy = proxyOf(cluster, env);
    return {
      files,
      context: {
        name,
        server: cluster.server,
        ...(proxy ? { proxy: proxy.shown } : {}),
        cluster: without(cluster, "file"),
      },
    };
  } catch (error) {
    return {
      files,
      problem: `the kubeconfig cannot be used: ${(error as { seen?: string }).seen ?? (error as Error).message}`,
    };
  }
}
