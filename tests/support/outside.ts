import type { Kube } from "./kube";
import type { ForwardStatus, openForward } from "./port-forward";

/**
 * What a test gets from outside its module registry. Jest evaluates every module anew for each test file; the
 * Kubernetes client takes most of a second for that, so `environment.ts` loads it once per worker instead.
 */
export interface Outside {
  kube(kubeconfig: string): Kube;
  openForward: typeof openForward;
  /** The port-forward that the whole run shares, as it was at its last change. */
  forwardStatus(): ForwardStatus;
}

/** Name of the global that holds it. */
export const OUTSIDE = "__bayE2EOutside";

/** @throws Error when the test does not run in the e2e environment */
export function outside(): Outside {
  const found = (globalThis as Record<string, unknown>)[OUTSIDE] as Outside | undefined;
  if (!found) throw new Error("this test needs the e2e project: its environment gives access to the cluster");
  return found;
}
