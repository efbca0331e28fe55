import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { kubeconfigFile } from "../../infra/naming";
import { ROOT } from "../paths";

/** Whether a stack's kubeconfig is where it should be, and is one that k3s or kind wrote. */
export function isStackKubeconfig(stack: string): boolean {
  try {
    const { kind, contexts } = parse(readFileSync(kubeconfigFile(ROOT, stack), "utf8")) as {
      kind?: unknown;
      contexts?: { name?: unknown }[] | null;
    };
    return (
      kind === "Config" && (contexts ?? []).every(({ name }) => name === "default" || String(name).startsWith("kind-"))
    );
  } catch {
    return false;
  }
}
