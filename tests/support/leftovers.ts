import type { Kube } from "./kube";
import { notYet, waitFor, WaitError } from "./wait";

/** Milliseconds that a deleted volume or pod may take to go. */
const GONE_WITHIN = 45_000;

/**
 * Pods and volume claims of a namespace, as `pod/<name>` and `persistentvolumeclaim/<name>`, each with whether it is
 * going.
 */
export async function inventory(kube: Kube, namespace: string): Promise<Map<string, boolean>> {
  const [pods, claims] = await Promise.all([kube.pods(namespace), kube.claims(namespace)]);
  const named =
    (kind: string) =>
    ({ metadata }: { metadata?: { name?: string; deletionTimestamp?: Date } }): [string, boolean] => [
      `${kind}/${metadata?.name}`,
      metadata?.deletionTimestamp !== undefined,
    ];
  return new Map([...pods.map(named("pod")), ...claims.map(named("persistentvolumeclaim"))]);
}

/**
 * Waits until nothing is in the namespace that was not there before, as long as what is there is going.
 * @param before the inventory from before the tests
 * @returns the names of what is left; empty when the tests left nothing
 */
export async function leftovers(
  kube: Kube,
  namespace: string,
  before: ReadonlyMap<string, boolean>,
): Promise<string[]> {
  let left: [string, boolean][] = [];
  try {
    await waitFor(
      "removal of all that the tests made",
      async () => {
        left = [...(await inventory(kube, namespace))].filter(([name]) => !before.has(name));
        return left.length === 0 || notYet("objects are left");
      },
      { deadline: GONE_WITHIN, interval: 250, died: () => left.find(([, going]) => !going)?.[0] },
    );
    return [];
  } catch (error) {
    if (error instanceof WaitError) return left.map(([name]) => name).sort();
    throw error;
  }
}
