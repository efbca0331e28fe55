import type { V1PersistentVolumeClaim, V1Pod } from "@kubernetes/client-node";
import type { Kube } from "./kube";
import { notYet, waitFor } from "./wait";

/** Milliseconds that Kubernetes may take to remove a pod or a claim. */
const GONE_WITHIN = 30_000;

/** The cluster as the tests look at it: Bay's objects of one namespace. */
export class Cluster {
  constructor(
    readonly kube: Kube,
    readonly namespace: string,
  ) {}

  /** Session pods of a sandbox, those that are ending included. */
  sessionPods(sandboxId: string): Promise<V1Pod[]> {
    return this.kube.pods(this.namespace, `bay.sandbox_id=${sandboxId}`);
  }

  /** The only session pod of a sandbox. @throws Error when there are none or several */
  async sessionPod(sandboxId: string): Promise<V1Pod> {
    const pods = await this.sessionPods(sandboxId);
    if (pods.length !== 1)
      throw new Error(
        `sandbox ${sandboxId} has ${pods.length} session pods, wanted one: ${pods.map((pod) => pod.metadata?.name).join(", ")}`,
      );
    return pods[0]!;
  }

  /** The volume claim of a cargo. */
  claim(cargoId: string): Promise<V1PersistentVolumeClaim | undefined> {
    return this.kube.claim(this.namespace, `bay-cargo-${cargoId}`);
  }

  /** Waits until a sandbox has no pod. */
  async podsGone(sandboxId: string): Promise<void> {
    await waitFor(
      `removal of the pods of ${sandboxId}`,
      async () => {
        const pods = await this.sessionPods(sandboxId);
        return (
          pods.length === 0 ||
          notYet(`left: ${pods.map((pod) => `${pod.metadata?.name} (${pod.status?.phase})`).join(", ")}`)
        );
      },
      { deadline: GONE_WITHIN },
    );
  }

  /** Waits until a cargo has no claim. */
  async claimGone(cargoId: string): Promise<void> {
    await waitFor(
      `removal of the claim of ${cargoId}`,
      async () => {
        const claim = await this.claim(cargoId);
        return (
          claim === undefined ||
          notYet(`it is ${claim.status?.phase}, finalizers ${claim.metadata?.finalizers?.join(", ") ?? "none"}`)
        );
      },
      { deadline: GONE_WITHIN },
    );
  }
}
