import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { stringify } from "yaml";
import { kubeconfigError, readKubeconfigFile } from "./kubeconfig-file";
import { clusterProblems, userProblems } from "./kubeconfig-problems";
import type {
  Kubeconfig,
  KubeconfigCluster,
  KubeconfigContext,
  KubeconfigProblem,
  KubeconfigUser,
} from "./kubeconfig-types";
import { proxyOf } from "./proxy";

export { parseKubeconfig } from "./kubeconfig-file";
export type { Kubeconfig, KubeconfigCluster, KubeconfigContext, KubeconfigUser } from "./kubeconfig-types";

/** One context of a kubeconfig, able to stand alone. */
export interface OneContext {
  name: string;
  /** URL of the API server, as written. */
  server: string;
  /** The proxy that requests go through: `proxy-url`, or the environment's. */
  proxy?: string;
  /** Name of its user; empty where it names none. */
  user: string;
  /**
   * Kubeconfig (YAML) with this context alone and every file inlined: `kubectl config view --raw --flatten --minify`,
   * with absolute paths for what stays a path (a token file, a credential plugin).
   */
  kubeconfig: string;
}

/** The files that kubectl would read: `KUBECONFIG`, a list, or the one in the user's home. */
export function kubeconfigFiles(env: NodeJS.ProcessEnv = process.env): string[] {
  const listed = env["KUBECONFIG"] ?? "";
  if (listed !== "") return [...new Set(listed.split(delimiter).filter(Boolean))];
  return [join(env["HOME"] ?? homedir(), ".kube", "config")];
}

/**
 * Reads and merges kubeconfig files as kubectl does: of two entries of one name in different files the first counts,
 * and a file that does not exist is empty.
 * @throws UserError E_KUBECONFIG for a file that kubectl refuses
 */
export function readKubeconfigs(files: readonly string[]): Kubeconfig {
  const all = files.filter((file) => existsSync(file)).map(readKubeconfigFile);
  const merge = <T extends { name: string }>(lists: T[][]): T[] =>
    [
      ...new Map(
        lists
          .flat()
          .reverse()
          .map((entry) => [entry.name, entry]),
      ).values(),
    ].reverse();
  const current = all.map((config) => config["current-context"]).find(Boolean);
  return {
    ...(current ? { "current-context": current } : {}),
    contexts: merge(all.map(({ contexts }) => contexts)),
    clusters: merge(all.map(({ clusters }) => clusters)),
    users: merge(all.map(({ users }) => users)),
  };
}

/** The entries that a context leads to; nothing is read and nothing is checked. */
export interface ContextEntries {
  context: KubeconfigContext & { file: string };
  /** Nothing where no file has it. */
  cluster?: KubeconfigCluster & { file: string };
  user?: KubeconfigUser & { file: string };
}

/** Finds a context, its cluster and its user by name; nothing where there is no such context. */
export function entriesOf(config: Kubeconfig, name: string): ContextEntries | undefined {
  const entry = config.contexts.find((context) => context.name === name);
  if (!entry) return undefined;
  const cluster = config.clusters.find((candidate) => candidate.name === entry.context.cluster);
  const user = config.users.find((candidate) => candidate.name === entry.context.user);
  return {
    context: { ...entry.context, file: entry.file },
    ...(cluster ? { cluster: { ...cluster.cluster, file: cluster.file } } : {}),
    ...(user ? { user: { ...user.user, file: user.file } } : {}),
  };
}

/**
 * A context by its name, alone; nothing where there is none of that name.
 * @throws UserError E_KUBECONFIG with all that cannot work: a missing cluster, user or file, a field that kubectl
 *   refuses
 */
export function contextOf(
  config: Kubeconfig,
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): OneContext | undefined {
  const entries = entriesOf(config, name);
  if (!entries) return undefined;
  const problems = problemsOf(name, entries, env);
  if (problems.length > 0) throw kubeconfigError(problems);
  const { cluster, user } = entries;
  const context = without(entries.context, "file");
  const alone = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    contexts: [{ name, context }],
    clusters: [{ name: context.cluster, cluster: inlined(cluster!, ["certificate-authority"]) }],
    users:
      context.user === "" && !user
        ? []
        : [{ name: context.user, user: inlined(user ?? { file: "" }, ["client-certificate", "client-key"]) }],
  };
  const proxy = proxyOf(cluster!, env);
  return {
    name,
    server: cluster!.server,
    user: context.user,
    ...(proxy ? { proxy: proxy.shown } : {}),
    kubeconfig: stringify(alone, QUOTED),
  };
}

function problemsOf(
  name: string,
  { context, cluster, user }: ContextEntries,
  env: NodeJS.ProcessEnv,
): KubeconfigProblem[] {
  const [clusterField, userField] = [`clusters["${context.cluster}"]`, `users["${context.user}"]`];
  const missing = (field: "cluster" | "user"): KubeconfigProblem => ({
    file: context.file,
    field: `contexts["${name}"].${field}`,
    expected: `the name of an entry in ${field}s`,
    found: context[field] === "" ? "it is missing" : `no entry is called "${context[field]}"`,
  });
  return [
    ...(cluster ? clusterProblems(cluster, clusterField) : [missing("cluster")]),
    // Who names no user is nobody: some servers on one's own machine ask for nothing.
    ...(user ? userProblems(user, userField, env) : context.user === "" ? [] : [missing("user")]),
  ];
}

/** Puts files' contents in place of their paths, so that the kubeconfig works wherever it goes. */
function inlined(value: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(without(value as { file?: string }, "file")).flatMap(([key, content]): [string, unknown][] => {
      if (keys.includes(key))
        return `${key}-data` in value ? [] : [[`${key}-data`, readFileSync(content as string).toString("base64")]];
      return [[key, content]];
    }),
  );
}

/** The same without one of its fields. */
export function without<T extends object, K extends keyof T>(value: T, key: K): Omit<T, K> {
  const rest = { ...value };
  Reflect.deleteProperty(rest, key);
  return rest;
}

/**
 * All text in quotes: what is text to one parser of YAML is a number or a boolean to another (`no`, `0o14`, `12:30`).
 */
const QUOTED = { lineWidth: 0, defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "PLAIN" } as const;
