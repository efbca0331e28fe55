import { pasteable } from "./exec";

/**
 * Returns the start of a kubectl command that leads to a context of a kubeconfig, to be pasted into a shell.
 * @param file default: what kubectl reads by itself, `KUBECONFIG` or the file in the user's home
 */
export function kubectlOf(file: string | undefined, context?: string): string {
  return pasteable([
    "kubectl",
    ...(file === undefined ? [] : ["--kubeconfig", file]),
    ...(context === undefined ? [] : ["--context", context]),
  ]);
}

/**
 * Returns the start of a kubectl command that leads to the cluster of a stack, whichever backend it has: the stack's
 * own kubeconfig is written to a file first.
 */
export function kubectlOfStack(stack: string): string {
  return `npm run kubeconfig -- --stack ${stack} --out kc.yaml && kubectl --kubeconfig kc.yaml`;
}
