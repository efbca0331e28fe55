import type { Kube } from "./kube";
import { notYet, waitFor, WaitError } from "./wait";

/** Milliseconds that a deleted volume or pod may take to go. */
const GONE_WITHIN = 45_000;

/** Pods and volume claims of a namespace, as `pod/<name>` and `persistentvolumeclaim/<name>`. */
export async function inventory(kube: Kube, namespace: string): Promise<Set<string>> {
  const [pods, claims] = await Promise.all([kube.pods(namespace), kube.claims(namespace)]);
  return new Set([...pods.map((pod) => `pod/${pod.metadata?.name}`), ...claims.map((claim) => `persistentvolumeclaim/${claim.metadata?.name}`)]);
}

/**
 * Waits until nothing is in the namespace that was not there before.
 * @param before the inventory from before the tests
 * @returns the names of what is left at the deadline; empty when the tests left nothing
 */
export async function leftovers(kube: Kube, namespace: string, before: ReadonlySet<string>, within = GONE_WITHIN): Promise<string[]> {
  let left: string[] = [];
  try {
    await waitFor("removal of all that the tests made", async () => {
      left = [...await inventory(kube, namespace)].filter((name) => !before.has(name)).sort();
      return left.length === 0 || notYet(`left: ${left.join(", ")}`);
    }, { deadline: within, interval: 250 });
    return [];
  } catch (error) {
    if (error instanceof WaitError) return left;
    throw error;
  }
}
