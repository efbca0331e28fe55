/** Where a chart is, what it is made of, and what it renders to. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";
import { mapAt, textAt } from "../objects";
import type { Value, ValueMap } from "../../rpc/values";
import { type Helm, HelmError, privateFile, privateFolder } from "./cli";

/** A chart on this host. */
export interface LocalChart {
  /** Folder or archive. */
  path: string;
  /** SHA-256 of its content: a chart that was changed under the same version is another one. */
  checksum: string;
}

/** What the inputs say of the chart. */
export interface ChartSource {
  chart: string;
  version: string;
  devel: boolean;
  dependencyUpdate: boolean;
  repository: { repo: string; username: string; password: string; caFile: string; certFile: string; keyFile: string };
}

/** The part of a release's inputs (without markers) that tells its chart. */
export function chartSource(inputs: ValueMap): ChartSource {
  const opts = mapAt(inputs, "repositoryOpts");
  const text = (name: string): string => textAt(opts, name);
  return {
    chart: textAt(inputs, "chart").trim(),
    version: textAt(inputs, "version").trim(),
    devel: inputs.devel === true,
    dependencyUpdate: inputs.dependencyUpdate === true,
    repository: {
      repo: text("repo"),
      username: text("username"),
      password: text("password"),
      caFile: text("caFile"),
      certFile: text("certFile"),
      keyFile: text("keyFile"),
    },
  };
}

/**
 * The chart as a folder or archive here: where it is one already, that; else fetched from its repository or registry.
 * @throws Error that says what there is not
 */
export async function localChart(helm: Helm, source: ChartSource): Promise<LocalChart> {
  const { chart, dependencyUpdate, repository } = source;
  const path = resolve(chart);
  const here =
    repository.repo === "" &&
    existsSync(path) &&
    (!statSync(path).isDirectory() || existsSync(join(path, "Chart.yaml")));
  if (!here && (isAbsolute(chart) || chart.startsWith(".")))
    throw new Error(`there is no chart at ${chart}, which is looked for from ${process.cwd()}`);
  if (!here) return withChecksum(await fetched(helm, source));
  if (dependencyUpdate && statSync(path).isDirectory())
    await helm.local({ args: ["dependency", "update", path, "--skip-refresh"] });
  return withChecksum(path);
}

/** How a release looks before it is installed. */
export interface Rendering {
  name: string;
  namespace: string;
  values: ValueMap;
  skipCrds: boolean;
  hooks: boolean;
  postrender: string;
  secrets: readonly string[];
}

/**
 * Names of what a chart renders to, by `Kind.group/apiVersion`. @throws HelmError with the template's or the schema's
 * complaint
 */
export async function renderedNames(
  helm: Helm,
  chart: LocalChart,
  { name, namespace, values, skipCrds, hooks, postrender, secrets }: Rendering,
): Promise<ValueMap> {
  const args = [
    "template",
    name,
    chart.path,
    "--namespace",
    namespace,
    "--values",
    "-",
    ...(skipCrds ? [] : ["--include-crds"]),
    ...(hooks ? [] : ["--no-hooks"]),
    ...(postrender === "" ? [] : ["--post-renderer", postrender]),
  ];
  return namesIn(await helm.local({ args, input: JSON.stringify(values), secrets }));
}

/** Names of the objects in a manifest, by `Kind.group/apiVersion`, each with its namespace where it states one. */
export function namesIn(manifest: string): ValueMap {
  const names: Record<string, string[]> = {};
  for (const document of parseAllDocuments(manifest)) {
    const object = document.toJS() as Value;
    const [apiVersion, kind, namespace, name] = [
      textAt(object, "apiVersion"),
      textAt(object, "kind"),
      textAt(object, "metadata", "namespace"),
      textAt(object, "metadata", "name"),
    ];
    if (kind === "") continue;
    const group = apiVersion.includes("/") ? `.${apiVersion.split("/")[0]}` : "";
    const key = `${kind}${group}/${apiVersion}`;
    names[key] = [...new Set([...(names[key] ?? []), namespace === "" ? name : `${namespace}/${name}`])].sort();
  }
  return names;
}

/** @throws HelmError with what `helm lint` finds */
export async function lint(helm: Helm, chart: LocalChart, values: ValueMap, secrets: readonly string[]): Promise<void> {
  await helm.local({ args: ["lint", chart.path, "--values", "-"], input: JSON.stringify(values), secrets });
}

function withChecksum(path: string): LocalChart {
  return { path, checksum: statSync(path).isDirectory() ? folderChecksum(path) : sha256(readFileSync(path)) };
}

function fetched(helm: Helm, source: ChartSource): Promise<string> {
  const key = JSON.stringify(source);
  const known = helm.fetched.get(key);
  if (known) return known;
  const archive = pull(helm, source);
  helm.fetched.set(key, archive);
  archive.catch(() => helm.fetched.delete(key));
  return archive;
}

/** Fetches an archive. Credentials go by files: words of a command can be seen by every user of the host. */
async function pull(helm: Helm, { chart, version, devel, repository }: ChartSource): Promise<string> {
  const { repo, username, password, caFile, certFile, keyFile } = repository;
  const folder = mkdtempSync(join(privateFolder(), "chart-"));
  const oci = repo.startsWith("oci://")
    ? `${repo.replace(/\/$/, "")}/${chart}`
    : chart.startsWith("oci://")
      ? chart
      : undefined;
  const tls = [
    ["--ca-file", caFile],
    ["--cert-file", certFile],
    ["--key-file", keyFile],
  ].flatMap(([flag = "", file = ""]) => (file === "" ? [] : [flag, file]));
  const which = [
    ...(version === "" ? [] : ["--version", version]),
    ...(devel ? ["--devel"] : []),
    "--destination",
    folder,
    ...tls,
  ];
  if (oci !== undefined) {
    const env: Record<string, string> =
      username === ""
        ? {}
        : { HELM_REGISTRY_CONFIG: privateFile("registry.json", registryLogin(oci, username, password)) };
    await helm.local({ args: ["pull", oci, ...plainHttp(oci), ...which], env, secrets: [password] });
  } else if (username === "")
    await helm.local({ args: ["pull", chart, ...(repo === "" ? [] : ["--repo", repo]), ...which] });
  else {
    const env = {
      HELM_REPOSITORY_CONFIG: join(folder, "repositories.yaml"),
      HELM_REPOSITORY_CACHE: join(folder, "cache"),
    };
    await helm.local({
      args: ["repo", "add", "it", repo, "--username", username, "--password-stdin", ...tls],
      input: password,
      env,
      secrets: [password],
    });
    await helm.local({
      args: ["pull", `it/${chart}`, ...which.filter((word) => !tls.includes(word))],
      env,
      secrets: [password],
    });
  }
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new HelmError(`helm pull left no archive of ${chart}`);
  return join(folder, archive);
}

/** A registry on this host speaks HTTP, as for Docker. */
function plainHttp(reference: string): string[] {
  return /^oci:\/\/(localhost|127\.0\.0\.1)(:\d+)?\//.test(reference) ? ["--plain-http"] : [];
}

/** The file in which Docker keeps logins. */
function registryLogin(reference: string, username: string, password: string): string {
  const host = reference.slice("oci://".length).split("/")[0]!;
  return JSON.stringify({ auths: { [host]: { auth: Buffer.from(`${username}:${password}`).toString("base64") } } });
}

/** Every file by its path and content; what editors and version control leave is no part of a chart. */
function folderChecksum(folder: string): string {
  const hash = createHash("sha256");
  const add = (path: string, name: string): void => {
    if (statSync(path).isDirectory()) {
      for (const entry of readdirSync(path)
        .filter((each) => !IGNORED.test(each))
        .sort())
        add(join(path, entry), `${name}/${entry}`);
    } else hash.update(`${name}\0${sha256(readFileSync(path))}\n`);
  };
  add(folder, "");
  return hash.digest("hex");
}

const IGNORED = /^\.(git|svn|hg|DS_Store|idea|vscode)$|~$|\.(swp|orig|tmp)$/;

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
