/** The provider's cluster as a kubeconfig file for Helm's CLI. */
import { resolve } from "node:path";
import { stringify } from "yaml";
import { isMap, type Value, type ValueMap } from "../../rpc/values";
import { type KubeconfigChoice, loadKubeconfig } from "../kubeconfig";
import { listAt, mapAt, textAt } from "../objects";

/** Fields that name a file, which a kubeconfig states relative to its own folder. */
const FILES = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/**
 * The kubeconfig that a choice leads to, as text that means the same in any folder: its current context is the chosen
 * one, on the chosen cluster.
 * @throws Error when there is none
 */
export function portableKubeconfig(choice: KubeconfigChoice): string {
  const { config, folder } = loadKubeconfig(choice);
  const current = choice.context ?? textAt(config, "current-context");
  const entries = (list: string, change: (entry: ValueMap) => ValueMap): ValueMap[] =>
    listAt(config, list).filter(isMap).map(change);
  return stringify({
    ...config,
    "current-context": current,
    clusters: entries("clusters", (entry) => ({ ...entry, cluster: absolute(mapAt(entry, "cluster"), folder) })),
    users: entries("users", (entry) => ({ ...entry, user: absolute(mapAt(entry, "user"), folder) })),
    contexts: entries("contexts", (entry) =>
      choice.cluster !== undefined && entry.name === current
        ? { ...entry, context: { ...mapAt(entry, "context"), cluster: choice.cluster } }
        : entry,
    ),
  });
}

function absolute(entry: ValueMap, folder: string): ValueMap {
  const file = (key: string, value: Value | undefined): boolean =>
    FILES.includes(key) && typeof value === "string" && value !== "";
  const fields = Object.entries(entry).map(([key, value]) => [
    key,
    file(key, value) ? resolve(folder, String(value)) : value,
  ]);
  const { exec, ...rest } = Object.fromEntries(fields) as ValueMap;
  if (!isMap(exec)) return { ...rest, ...(exec === undefined ? {} : { exec }) };
  // A command with a slash is a file beside the kubeconfig, one without is looked for on PATH.
  const command = textAt(exec, "command");
  return { ...rest, exec: { ...exec, command: command.includes("/") ? resolve(folder, command) : command } };
}
