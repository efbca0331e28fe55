import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse } from "yaml";

/** The current context, with what is needed to knock at its API server. */
export interface CurrentContext {
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
  context?: CurrentContext;
}

/**
 * The current context by kubectl's rules: the files of KUBECONFIG, else `~/.kube/config`; the first file
 * that says a thing wins. Nothing is written and no credential is read.
 * @param named a file that the configuration names, in place of all others
 */
export function currentContext(env: NodeJS.ProcessEnv, named?: string): KubeconfigFacts {
  const fromEnv = (env["KUBECONFIG"] ?? "").split(delimiter).filter(Boolean);
  const files = named ? [resolve(named)] : fromEnv.length > 0 ? fromEnv : [join(env["HOME"] ?? homedir(), ".kube", "config")];
  try {
    const configs = files.filter((file) => existsSync(file)).map((file) => ({ file, config: readConfig(file) }));
    const name = configs.map(({ config }) => config["current-context"]).find((value) => value !== undefined && value !== "");
    if (!name) return { files };
    const context = firstNamed(configs, name, ({ contexts }) => contexts)?.entry.context;
    if (!context) return { files, problem: `the current context ${name} is in no kubeconfig file` };
    const cluster = firstNamed(configs, context.cluster ?? "", ({ clusters }) => clusters);
    return { files, context: { name, ...describe(cluster?.entry.cluster, cluster?.file) } };
  } catch (error) {
    return { files, problem: (error as Error).message };
  }
}

interface Named { name: string }
interface ClusterEntry { server?: string; "proxy-url"?: string; "certificate-authority-data"?: string; "certificate-authority"?: string; "tls-server-name"?: string; "insecure-skip-tls-verify"?: boolean }
interface Config {
  "current-context"?: string;
  contexts?: (Named & { context?: { cluster?: string } })[] | null;
  clusters?: (Named & { cluster?: ClusterEntry })[] | null;
}

function readConfig(file: string): Config {
  try {
    return (parse(readFileSync(file, "utf8")) ?? {}) as Config;
  } catch (error) {
    throw new Error(`the kubeconfig ${file} cannot be read: ${(error as Error).message.split("\n")[0]}`, { cause: error });
  }
}

function firstNamed<T extends Named>(configs: { file: string; config: Config }[], name: string, list: (config: Config) => T[] | null | undefined): { file: string; entry: T } | undefined {
  for (const { file, config } of configs) {
    const entry = list(config)?.find((candidate) => candidate.name === name);
    if (entry) return { file, entry };
  }
  return undefined;
}

/** Relative paths in a kubeconfig start at its own folder. */
function describe(cluster: ClusterEntry | undefined, file = ""): Omit<CurrentContext, "name"> {
  const authorityFile = cluster?.["certificate-authority"] ? resolve(dirname(file), cluster["certificate-authority"]) : undefined;
  const data = cluster?.["certificate-authority-data"];
  const authority = data ? Buffer.from(data, "base64") : authorityFile && existsSync(authorityFile) ? readFileSync(authorityFile) : undefined;
  return {
    server: cluster?.server ?? "", insecure: cluster?.["insecure-skip-tls-verify"] ?? false,
    ...(cluster?.["proxy-url"] ? { proxy: cluster["proxy-url"] } : {}), ...(authority ? { authority } : {}), ...(cluster?.["tls-server-name"] ? { serverName: cluster["tls-server-name"] } : {}),
  };
}
