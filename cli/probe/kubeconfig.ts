import { existsSync, readFileSync } from "node:fs";
import { kubeconfigFiles, readKubeconfigs, type KubeconfigCluster } from "../../infra/support/kubeconfig";

/** One context, with what is needed to knock at its API server. */
export interface FoundContext {
  name: string;
  server: string;
  proxy?: string;
  /** The certificate authority (PEM) that the server's certificate must come from. */
  authority?: Buffer;
  /** Name that the certificate is for, where it is not that of the URL. */
  serverName?: string;
  /** The user asked for no check of the certificate. */
  insecure: boolean;
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
    const context = config.contexts?.find((entry) => entry.name === name);
    const cluster = config.clusters?.find((entry) => entry.name === context?.context.cluster)?.cluster;
    return cluster ? { files, context: { name, ...describe(cluster) } } : { files, problem: `context ${name}, or its cluster, is in no kubeconfig file` };
  } catch (error) {
    return { files, problem: `the kubeconfig cannot be read: ${(error as { seen?: string }).seen ?? (error as Error).message}` };
  }
}

function describe(cluster: KubeconfigCluster & { "proxy-url"?: string }): Omit<FoundContext, "name"> {
  const data = cluster["certificate-authority-data"];
  const file = cluster["certificate-authority"];
  const authority = data ? Buffer.from(data, "base64") : file && existsSync(file) ? readFileSync(file) : undefined;
  return {
    server: cluster.server, insecure: cluster["insecure-skip-tls-verify"] ?? false,
    ...(cluster["proxy-url"] ? { proxy: cluster["proxy-url"] } : {}), ...(authority ? { authority } : {}), ...(cluster["tls-server-name"] ? { serverName: cluster["tls-server-name"] } : {}),
  };
}
