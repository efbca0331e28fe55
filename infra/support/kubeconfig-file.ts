import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { UserError } from "./errors";
import { pasteable } from "./exec";
import {
  array,
  CLUSTER,
  type Complain,
  CONTEXT,
  fields,
  kindOf,
  type Shape,
  struct,
  textOf,
  USER,
} from "./kubeconfig-fields";
import type {
  Kubeconfig,
  KubeconfigCluster,
  KubeconfigContext,
  KubeconfigProblem,
  KubeconfigUser,
} from "./kubeconfig-types";

/** @returns one error for all problems of a kubeconfig, each with file, entry and field */
export function kubeconfigError(problems: readonly KubeconfigProblem[], next?: string, cause?: unknown): UserError {
  const line = ({ file, field, found }: KubeconfigProblem) =>
    [file, field, found].filter((part) => part !== "").join(": ");
  const [first] = problems;
  return new UserError("E_KUBECONFIG", {
    seen:
      problems.length === 1
        ? line(first!)
        : `${problems.length} problems:\n${problems.map((problem) => `          - ${line(problem)}`).join("\n")}`,
    wanted: [...new Set(problems.map(({ expected }) => expected))].join("; "),
    next: next ?? pasteable(["kubectl", "--kubeconfig", first!.file, "config", "view"]),
    cause,
  });
}

/**
 * Reads one kubeconfig file by kubectl's rules; relative paths become absolute, starting at the file's folder.
 * @throws UserError E_KUBECONFIG when it cannot be read, or is no kubeconfig
 */
export function readKubeconfigFile(file: string): Kubeconfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const found = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : message;
    throw kubeconfigError(
      [{ file, field: "", found, expected: "a kubeconfig file that can be read" }],
      pasteable(["ls", "-l", file]),
      cause,
    );
  }
  return withAbsolutePaths(parseKubeconfig(text, file), dirname(resolve(file)));
}

/**
 * Reads the text of a kubeconfig, YAML or JSON, by kubectl's rules: of keys given twice the last counts, null is
 * the same as absent, fields that kubectl does not know are ignored, and of several documents the first counts.
 * @param file name for messages
 * @throws UserError E_KUBECONFIG with all fields of a wrong type
 */
export function parseKubeconfig(text: string, file = "the kubeconfig"): Kubeconfig {
  const problems: KubeconfigProblem[] = [];
  const complain: Complain = (field, found, expected) => {
    problems.push({ file, field, found, expected });
  };
  const root = parseYaml(text, file);
  if (root !== null && (typeof root !== "object" || Array.isArray(root)))
    complain("", kindOf(root), "a mapping with clusters, contexts and users");
  const { apiVersion = "v1", kind = "Config" } = fields(root);
  if ((apiVersion || "v1") !== "v1" || (kind || "Config") !== "Config")
    complain("kind", `${String(kind)} of ${String(apiVersion)}`, "kind Config of apiVersion v1");
  const current = textOf(fields(root)["current-context"], "current-context", complain);
  const list = <T>(key: string, part: string, shape: Shape): { name: string; file: string; value: T }[] => {
    const entries = array(fields(root)[key], key, complain).map((entry, index) => {
      const name = textOf(fields(entry)["name"], `${key}[${index}].name`, complain) ?? "";
      return {
        name,
        file,
        value: struct(fields(entry)[part], shape, `${key}[${JSON.stringify(name)}]`, complain) as T,
      };
    });
    const twice = entries.find(({ name }, index) => entries.findIndex((other) => other.name === name) !== index);
    if (twice) complain(key, `two entries have the name "${twice.name}"`, "a name of its own for each entry");
    return entries;
  };
  const contexts = list<KubeconfigContext>("contexts", "context", CONTEXT);
  const clusters = list<KubeconfigCluster>("clusters", "cluster", CLUSTER);
  const users = list<KubeconfigUser>("users", "user", USER);
  if (problems.length > 0) throw kubeconfigError(problems);
  return {
    ...(current ? { "current-context": current } : {}),
    contexts: contexts.map(({ value, ...entry }) => ({
      ...entry,
      context: { ...value, cluster: value.cluster ?? "", user: value.user ?? "" },
    })),
    clusters: clusters.map(({ value, ...entry }) => ({ ...entry, cluster: { ...value, server: value.server ?? "" } })),
    users: users.map(({ value, ...entry }) => ({ ...entry, user: value })),
  };
}

/** YAML 1.1, in which `yes` and `on` are booleans and `<<` merges; dates and 12:30 are text, as in kubectl's parser. */
function parseYaml(text: string, file: string): unknown {
  const refuse = (message: string, cause: unknown) =>
    kubeconfigError(
      [{ file, field: "", found: message.split("\n")[0]!.replace(/:$/, ""), expected: "YAML or JSON" }],
      undefined,
      cause,
    );
  const documents = parseAllDocuments(text, {
    version: "1.1",
    merge: true,
    uniqueKeys: false,
    logLevel: "silent",
    customTags: (tags) =>
      tags.filter(
        (tag) =>
          typeof tag === "string" ||
          !(tag.tag === "tag:yaml.org,2002:timestamp" || (tag as { format?: string }).format === "TIME"),
      ),
  });
  const first = Array.isArray(documents) ? documents[0] : undefined;
  if (first === undefined) return null;
  if (first.errors.length > 0) throw refuse(first.errors[0]!.message, first.errors[0]);
  try {
    return first.toJS() as unknown;
  } catch (cause) {
    throw refuse((cause as Error).message, cause);
  }
}

/** A command with a slash in it is a path; without one it is looked for on PATH. */
function withAbsolutePaths(config: Kubeconfig, folder: string): Kubeconfig {
  const absolute = <T extends object>(value: T, keys: readonly string[]): T =>
    Object.fromEntries(
      Object.entries(value).map(([key, content]) => [
        key,
        keys.includes(key) ? resolve(folder, content as string) : (content as unknown),
      ]),
    ) as T;
  const exec = (user: KubeconfigUser): KubeconfigUser =>
    user.exec?.command &&
    /[/\\]/.test(process.platform === "win32" ? user.exec.command : user.exec.command.replaceAll("\\", ""))
      ? { ...user, exec: absolute(user.exec, ["command"]) }
      : user;
  return {
    ...config,
    clusters: config.clusters.map((entry) => ({
      ...entry,
      cluster: absolute(entry.cluster, ["certificate-authority"]),
    })),
    users: config.users.map((entry) => ({
      ...entry,
      user: exec(absolute(entry.user, ["client-certificate", "client-key", "tokenFile"])),
    })),
  };
}
