import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { UserError } from "./errors";

/** A kubeconfig as kubectl writes it; only what is used here. */
export interface Kubeconfig {
  "current-context"?: string;
  contexts?: { name: string; context: { cluster: string; user: string; namespace?: string } }[] | null;
  clusters?: { name: string; cluster: KubeconfigCluster }[] | null;
  users?: { name: string; user: KubeconfigUser }[] | null;
}

export interface KubeconfigCluster {
  server: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
}

export interface KubeconfigUser {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  exec?: { command: string; args?: string[] | null; env?: { name: string; value: string }[] | null; apiVersion?: string };
}

/** One context of a kubeconfig, able to stand alone. */
export interface OneContext {
  name: string;
  /** URL of the API server. */
  server: string;
  /** Kubeconfig (YAML) with this context alone and every file inlined. */
  kubeconfig: string;
}

/** The files that kubectl would read: `KUBECONFIG`, a list, or the one in the user's home. */
export function kubeconfigFiles(env: NodeJS.ProcessEnv = process.env): string[] {
  const listed = (env["KUBECONFIG"] ?? "").split(delimiter).filter(Boolean);
  return listed.length > 0 ? listed : [join(homedir(), ".kube", "config")];
}

/**
 * Reads and merges kubeconfig files as kubectl does: of two entries of one name the first counts, and a missing
 * file is empty.
 * @throws UserError E_CONTEXT_MISSING for a file that is no kubeconfig
 */
export function readKubeconfigs(files: readonly string[]): Kubeconfig {
  const all = files.filter((file) => existsSync(file)).map((file) => withAbsolutePaths(readOne(file), dirname(resolve(file))));
  const merge = <T extends { name: string }>(lists: (T[] | null | undefined)[]): T[] => {
    const entries = lists.flatMap((list) => list ?? []);
    return entries.filter((entry, index) => entries.findIndex(({ name }) => name === entry.name) === index);
  };
  const current = all.map((config) => config["current-context"]).find(Boolean);
  return {
    ...(current ? { "current-context": current } : {}),
    contexts: merge(all.map(({ contexts }) => contexts)), clusters: merge(all.map(({ clusters }) => clusters)), users: merge(all.map(({ users }) => users)),
  };
}

/** A context by its name, alone; nothing where there is none of that name, or where its cluster is missing. */
export function contextOf(config: Kubeconfig, name: string): OneContext | undefined {
  const entry = config.contexts?.find((context) => context.name === name);
  const cluster = config.clusters?.find((candidate) => candidate.name === entry?.context.cluster);
  if (!entry || !cluster) return undefined;
  const user = config.users?.find((candidate) => candidate.name === entry.context.user) ?? { name: entry.context.user, user: {} };
  const alone = {
    apiVersion: "v1", kind: "Config", "current-context": name, contexts: [entry],
    clusters: [{ name: cluster.name, cluster: inlined(cluster.cluster, ["certificate-authority"]) }],
    users: [{ name: user.name, user: inlined(user.user, ["client-certificate", "client-key"]) }],
  };
  return { name, server: cluster.cluster.server, kubeconfig: stringify(alone) };
}

function readOne(file: string): Kubeconfig {
  try {
    return parse(readFileSync(file, "utf8")) as Kubeconfig | null ?? {};
  } catch (cause) {
    throw new UserError("E_CONTEXT_MISSING", { seen: `${file}: ${(cause as Error).message.split("\n")[0]}`, wanted: "a kubeconfig", next: `kubectl --kubeconfig ${file} config view`, cause });
  }
}

const FILE_KEYS = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/** Paths in a kubeconfig are relative to the file that they stand in. */
function withAbsolutePaths(config: Kubeconfig, folder: string): Kubeconfig {
  const absolute = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).map(([key, content]) => [key, FILE_KEYS.includes(key) ? resolve(folder, content as string) : content as unknown])) as T;
  return {
    ...config,
    clusters: config.clusters?.map(({ name, cluster }) => ({ name, cluster: absolute(cluster) })) ?? [],
    users: config.users?.map(({ name, user }) => ({ name, user: absolute(user) })) ?? [],
  };
}

/** Puts files' contents in place of their paths, so that the kubeconfig works wherever it goes. */
function inlined<T extends object>(value: T, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, content]) => (
    keys.includes(key) ? [`${key}-data`, readFileSync(content as string).toString("base64")] : [key, content as unknown]
  )));
}
