import type { V1Pod } from "@kubernetes/client-node";
import type { Kube } from "../../tests/support/kube";
import { notYet, waitFor } from "../../tests/support/wait";

/**
 * When the API server told of a pod's steps, in milliseconds of `performance.now()`: the pod's own times have whole
 * seconds.
 */
export interface PodTimes {
  created: number;
  scheduled: number;
  sandbox: number;
  started: number;
  ready: number;
}

/** How each step is seen. The pod's sandbox is its network and its pause container. */
const SEEN: Record<keyof PodTimes, (pod: V1Pod) => boolean> = {
  created: () => true,
  scheduled: ({ spec }) => Boolean(spec?.nodeName),
  sandbox: (pod) => isTrue(pod, "PodReadyToStartContainers"),
  started: ({ status }) => status?.containerStatuses?.every(({ state }) => state?.running !== undefined) === true,
  ready: (pod) => isTrue(pod, "Ready"),
};

/** Which pods, and until when they are looked at. */
export interface Watched {
  namespace: string;
  selector: string;
  /** The last step that is waited for. */
  last: keyof PodTimes;
  /** Milliseconds that `end` waits for it. */
  deadline: number;
}

/** A watch under way. */
export interface PodWatch {
  /** Waits for the last step. @throws WaitError when it is not seen */
  end(): Promise<PodTimes>;
  /** Ends it, whatever was seen. */
  stop(): void;
}

/** Watches the pods of a selector until `end` or `stop`. */
export async function podTimes(kube: Kube, { namespace, selector, last, deadline }: Watched): Promise<PodWatch> {
  const seen: Partial<PodTimes> = {};
  const watch = await kube.watchPods(namespace, selector, (pod) => {
    const now = performance.now();
    for (const step of Object.keys(SEEN) as (keyof PodTimes)[]) if (SEEN[step](pod)) seen[step] ??= now;
  });
  return {
    stop: watch,
    // What is measured may be there before this watch has told of the last step.
    end: async () => {
      try {
        await waitFor(
          `the step ${last} of a pod of ${selector}`,
          () => seen[last] !== undefined || notYet(`seen: ${Object.keys(seen).join(", ")}`),
          { deadline, interval: 5 },
        );
      } finally {
        watch();
      }
      return seen as PodTimes;
    },
  };
}

function isTrue({ status }: V1Pod, condition: string): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === condition && value === "True") === true;
}
