import { resolve } from "node:path";
import { UserError } from "../support/errors";
import { contextOf, kubeconfigFiles, readKubeconfigs, type Kubeconfig, type OneContext } from "../support/kubeconfig";
import type { BackendArgs } from "./backend";
import { isLocalContext, isLocalServer } from "./local-contexts";

/**
 * The context that a stack uses: the one that its configuration names, else the first of `candidates` that there
 * is, else the current one. One that nobody named must be a local one, so that no production cluster is hit by
 * accident.
 * @throws UserError E_CONTEXT_MISSING, E_CONTEXT_NOT_ALLOWED
 */
export function chooseContext({ settings, root }: Pick<BackendArgs, "settings" | "root">, candidates: readonly string[] = []): OneContext {
  const files = settings.kubeconfig === "" ? kubeconfigFiles() : [resolve(root, settings.kubeconfig)];
  const config = readKubeconfigs(files);
  const name = settings.kubeContext || candidates.find((candidate) => contextOf(config, candidate)) || (candidates.length === 0 ? config["current-context"] : undefined);
  const context = name === undefined ? undefined : contextOf(config, name);
  if (!context) throw missing(name, candidates, config, files);
  const allowed = settings.kubeContext !== "" || settings.allowedContexts.includes(context.name) || (isLocalContext(context.name) && isLocalServer(context.server));
  if (!allowed) {
    throw new UserError("E_CONTEXT_NOT_ALLOWED", {
      seen: `the current context "${context.name}" (${context.server})`, wanted: "a context that the configuration names, or a local one such as kind-* or minikube",
      next: `pulumi config set kubeContext ${context.name}   (only if this cluster is meant)`,
    });
  }
  return context;
}

function missing(name: string | undefined, candidates: readonly string[], config: Kubeconfig, files: readonly string[]): UserError {
  const known = config.contexts?.map((entry) => entry.name) ?? [];
  const asked = name === undefined ? (candidates.length > 0 ? `no context ${candidates.join(" or ")}` : "no current context") : `no context "${name}", or one whose cluster is missing`;
  return new UserError("E_CONTEXT_MISSING", {
    seen: `${asked} in ${files.join(", ")}`, wanted: known.length > 0 ? `one of ${known.join(", ")}` : "a kubeconfig with a context",
    next: "kubectl config get-contexts   (then: pulumi config set kubeContext NAME)",
  });
}
