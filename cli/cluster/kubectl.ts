import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { kubeconfigFile } from "../../infra/naming";
import { pasteable } from "../../infra/support/exec";
import { ROOT } from "../paths";
import { readSettings } from "../stack/stack-settings";

/** Returns the words that begin a `kubectl` command for the cluster of a stack, so that it can be pasted into any shell. */
export function kubectlFor(stack: string): string {
  const { settings } = readSettings(stack, undefined);
  const file = kubeconfigFile(ROOT, stack);
  if (settings === undefined || settings.backend === "k3s" || settings.backend === "kind") {
    return pasteable(existsSync(file) ? ["kubectl", "--kubeconfig", file] : ["kubectl"]);
  }
  const { kubeconfig, kubeContext } = settings;
  return pasteable([
    "kubectl", ...(kubeconfig === "" ? [] : ["--kubeconfig", resolve(ROOT, kubeconfig)]), ...(kubeContext === "" ? [] : ["--context", kubeContext]),
  ]);
}
