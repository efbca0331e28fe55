import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { kubeconfigFile } from "../../infra/naming";
import { kubectlOf, kubectlOfStack } from "../../infra/support/kubectl";
import { ROOT } from "../paths";
import { stackFilePath } from "../stack/stack-file";
import { readSettings } from "../stack/stack-settings";

/**
 * Returns the words that begin a `kubectl` command for the cluster of a stack, so that it can be pasted into any shell.
 */
export function kubectlFor(stack: string): string {
  const { settings } = readSettings(stack, undefined);
  const file = kubeconfigFile(ROOT, stack);
  if (settings === undefined || settings.backend === "k3s" || settings.backend === "kind")
    return existsSync(file) ? kubectlOf(file) : kubectlOfStack(stack);
  const { kubeconfig, kubeContext } = settings;
  return kubectlOf(
    kubeconfig === "" ? undefined : resolve(ROOT, kubeconfig),
    kubeContext === "" ? undefined : kubeContext,
  );
}

/** The same for a cluster by the name that people know it by: that of a stack, else that of a context. */
export function kubectlForCluster(name: string): string {
  return existsSync(stackFilePath(name)) ? kubectlFor(name) : kubectlOf(undefined, name);
}
