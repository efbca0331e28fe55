/** The provider's own configuration. */
import type { CheckResult, DiffRequest, DiffResult } from "../rpc/requests";
import { containsUnknown, unwrap, type Value, type ValueMap } from "../rpc/values";
import { activeCluster, loadKubeconfig, type KubeconfigChoice } from "./kubeconfig";
import { sameValue } from "./objects";
import type { ReplaceSettings } from "./replace-rules";

/** What a program sets on `kubernetes.Provider`. */
export interface ProviderConfig extends KubeconfigChoice, ReplaceSettings {
  /** Namespace of objects that name none; default: that of the kubeconfig's context, else `default`. */
  namespace?: string;
  /** Identity of the cluster; with it only its change replaces the provider. */
  clusterIdentifier?: string;
  /** Forget objects of a cluster that cannot be reached. Default false, or PULUMI_K8S_DELETE_UNREACHABLE. */
  deleteUnreachable: boolean;
  /** Leave objects of a cluster that cannot be reached as they were. Default false. */
  skipUpdateUnreachable: boolean;
  /** Create by server-side apply, which takes over an object that exists. Default false. */
  upsertExistingObjects: boolean;
  /** Where Helm keeps its things; default: where its CLI does. */
  helmReleaseSettings: HelmSettings;
}

/** The parts of `helmReleaseSettings` that are followed. */
export interface HelmSettings {
  pluginsPath?: string;
  registryConfigPath?: string;
  repositoryConfigPath?: string;
  repositoryCache?: string;
}

/** The configuration in the provider's inputs; nested values and booleans may be JSON text. */
export function parseConfig(args: ValueMap): ProviderConfig {
  const text = (name: string): string | undefined => {
    const value = unwrap(args[name]);
    if (value === null || value === "") return undefined;
    return typeof value === "string" ? value : JSON.stringify(value);
  };
  const flag = (name: string, variable: string): boolean =>
    (text(name) ?? process.env[variable] ?? "").toLowerCase() === "true";
  return {
    kubeconfig: text("kubeconfig"),
    context: text("context"),
    cluster: text("cluster"),
    namespace: text("namespace"),
    clusterIdentifier: text("clusterIdentifier"),
    deleteUnreachable: flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
    skipUpdateUnreachable: flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
    upsertExistingObjects: flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
    helmReleaseSettings: JSON.parse(text("helmReleaseSettings") ?? "{}") as HelmSettings,
    enableConfigMapMutable: flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
    enableSecretMutable: flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
  };
}

/** Options that this plugin does not have; using one is refused by name instead of ignored. */
const REFUSED: Record<string, string> = {
  renderYamlToDirectory: "writes manifests instead of using a cluster",
};

/** Checks the provider's inputs; server-side apply cannot be switched off. */
export function checkConfig(news: ValueMap): CheckResult {
  const failures = Object.entries(REFUSED)
    .filter(([name]) => news[name] !== undefined && news[name] !== "")
    .map(([property, what]) => ({
      property,
      reason: `"${property}" (${what}) is not implemented by the registry-only plugin`,
    }));
  if (String(unwrap(news.enableServerSideApply)) === "false") {
    failures.push({
      property: "enableServerSideApply",
      reason: "client-side apply is not implemented by the registry-only plugin",
    });
  }
  const { driver = "secret" } = JSON.parse(String(unwrap(news.helmReleaseSettings) ?? "{}")) as { driver?: string };
  if (!/^secrets?$/.test(driver)) {
    failures.push({
      property: "helmReleaseSettings",
      reason: `Helm's driver "${driver}" is not implemented by the registry-only plugin, which reads releases from Secrets`,
    });
  }
  return { inputs: news, failures };
}

/**
 * Whether the provider must be replaced, and with it everything that it made: only when it leads to another cluster.
 * A cluster is told by `clusterIdentifier`, else by the cluster's entry in the kubeconfig.
 */
export function diffConfig({ olds, oldInputs, news }: Pick<DiffRequest, "olds" | "oldInputs" | "news">): DiffResult {
  const before = Object.keys(oldInputs).length > 0 ? oldInputs : olds;
  const keys = [...new Set([...Object.keys(before), ...Object.keys(news)])].filter(
    (key) => !["version", "__internal", "pluginDownloadURL"].includes(key),
  );
  const diffs = keys.filter((key) => !sameValue(unwrap(before[key]), unwrap(news[key])));
  const identity = (map: ValueMap): Value => unwrap(map.clusterIdentifier);
  if (!sameValue(identity(before), identity(news)) && !(identity(before) === null && sameCluster(before, news))) {
    return { changes: true, diffs, replaces: ["clusterIdentifier"] };
  }
  const pointing = diffs.filter((key) => ["kubeconfig", "context", "cluster"].includes(key));
  const moved = pointing.length > 0 && identity(news) === null && !sameCluster(before, news);
  return { changes: diffs.length > 0, diffs, replaces: moved ? pointing : [] };
}

/** A kubeconfig that is not known yet may lead anywhere. */
function sameCluster(before: ValueMap, after: ValueMap): boolean {
  if (containsUnknown(after.kubeconfig)) return false;
  return sameValue(clusterOf(before), clusterOf(after));
}

function clusterOf(args: ValueMap): ValueMap | null {
  const choice = parseConfig(args);
  try {
    return activeCluster(loadKubeconfig(choice).config, choice);
  } catch {
    // A kubeconfig that cannot be read has no cluster; using it fails later with the reason.
    return null;
  }
}
