import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../support/errors";
import {
  contextOf,
  entriesOf,
  kubeconfigFiles,
  readKubeconfigs,
  type Kubeconfig,
  type OneContext,
} from "../support/kubeconfig";
import { kubeconfigError } from "../support/kubeconfig-file";
import { kubectlOf } from "../support/kubectl";
import { proxyOf } from "../support/proxy";
import type { BackendArgs } from "./backend";
import { objectionTo } from "./local-contexts";

/** The context of a stack. */
export interface ChosenContext extends OneContext {
  /** `kubectl` with the flags that lead it to this context, to be pasted into a shell. */
  kubectl: string;
}

/**
 * The context that a stack uses: the one that its configuration names, else the first of `candidates` that there
 * is, else the current one. One that nobody named must be a local one, so that no production cluster is hit by
 * accident.
 * @throws UserError E_KUBECONFIG, E_CONTEXT_MISSING, E_CONTEXT_NOT_ALLOWED
 */
export function chooseContext(
  { settings, root }: Pick<BackendArgs, "settings" | "root">,
  candidates: readonly string[] = [],
): ChosenContext {
  const files = settings.kubeconfig === "" ? kubeconfigFiles() : [resolve(root, settings.kubeconfig)];
  const [given] = files;
  if (settings.kubeconfig !== "" && !existsSync(given!)) {
    throw kubeconfigError(
      [{ file: given!, field: "", found: "there is no such file", expected: "the file that the key kubeconfig names" }],
      "pulumi config set kubeconfig FILE",
    );
  }
  const config = readKubeconfigs(files);
  const name =
    settings.kubeContext ||
    candidates.find((candidate) => entriesOf(config, candidate)) ||
    (candidates.length === 0 ? config["current-context"] : undefined);
  const entries = name === undefined ? undefined : entriesOf(config, name);
  if (name === undefined || !entries) throw missing(name, candidates, config, files);
  // Before anything else: of a context that is not allowed no credential is read, and no program is looked for.
  const server = entries.cluster?.server ?? "";
  const proxy = entries.cluster && proxyOf(entries.cluster)?.shown;
  const objection =
    settings.kubeContext === ""
      ? objectionTo({ name, server, ...(proxy ? { proxy } : {}) }, settings.allowedContexts)
      : undefined;
  if (objection !== undefined && entries.cluster) {
    throw new UserError("E_CONTEXT_NOT_ALLOWED", {
      seen: `the current context "${name}" (${server}): ${objection}`,
      wanted: "a context that the configuration names, or a local one such as kind-* or minikube",
      next: `pulumi config set kubeContext ${name}   (only if this cluster is meant)`,
    });
  }
  return { ...contextOf(config, name)!, kubectl: kubectlOf(settings.kubeconfig === "" ? undefined : given, name) };
}

function missing(
  name: string | undefined,
  candidates: readonly string[],
  config: Kubeconfig,
  files: readonly string[],
): UserError {
  const known = config.contexts?.map((entry) => entry.name) ?? [];
  const asked =
    name === undefined
      ? candidates.length > 0
        ? `no context ${candidates.join(" or ")}`
        : "no current context"
      : `no context "${name}"`;
  return new UserError("E_CONTEXT_MISSING", {
    seen: `${asked} in ${files.join(", ")}`,
    wanted: known.length > 0 ? `one of ${known.join(", ")}` : "a kubeconfig with a context",
    next: `${kubectlOf(files.length === 1 && files[0] !== kubeconfigFiles()[0] ? files[0] : undefined)} config get-contexts   (then: pulumi config set kubeContext NAME)`,
  });
}
