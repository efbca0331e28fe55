import type { V1Pod } from "@kubernetes/client-node";
import type { Kube } from "../../tests/support/kube";
import { notYet, waitFor } from "../../tests/support/wait";

/** When the API server told of a pod's steps, in milliseconds of `performance.now()`: the pod's own times have whole seconds. */
export interface PodTimes { created: number; scheduled: number; started: number }

/** Watches the pods of a selector until `end`. @throws WaitError at the end when no pod was seen starting */
export async function podTimes(kube: Kube, namespace: string, selector: string): Promise<{ end(): Promise<PodTimes> }> {
  const seen: Partial<PodTimes> = {};
  const watch = await kube.watchPods(namespace, selector, (pod) => {
    const now = performance.now();
    seen.created ??= now;
    if (pod.spec?.nodeName) seen.scheduled ??= now;
    if (runs(pod)) seen.started ??= now;
  });
  return {
    // Bay may answer before this watch has told of the last step.
    end: async () => {
      try {
        await waitFor("the pod's steps", () => seen.started !== undefined || notYet(`seen: ${Object.keys(seen).join(", ")}`), { deadline: 5_000, interval: 10 });
      } finally {
        watch();
      }
      return seen as PodTimes;
    },
  };
}

function runs({ status }: V1Pod): boolean {
  return status?.containerStatuses?.every(({ state }) => state?.running !== undefined) === true;
}
