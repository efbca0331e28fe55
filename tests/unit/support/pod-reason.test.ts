import type { V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { podReason } from "../../support/pod-reason";

const status = (part: Partial<V1ContainerStatus>): V1ContainerStatus => ({
  name: "bay",
  image: "bay",
  imageID: "",
  ready: false,
  restartCount: 0,
  ...part,
});
const pod = (phase: string, container?: Partial<V1ContainerStatus>): V1Pod => ({
  status: { phase, ...(container ? { containerStatuses: [status(container)] } : {}) },
});

describe("podReason", () => {
  it.each<[string, V1Pod | undefined, string, boolean]>([
    ["no pod", undefined, "pod bay is missing", false],
    [
      "a pod that is going",
      { metadata: { deletionTimestamp: new Date() }, status: { phase: "Running" } },
      "pod bay is being deleted",
      false,
    ],
    [
      "an ended container",
      pod("Failed", { state: { terminated: { exitCode: 137, reason: "OOMKilled" } } }),
      "pod bay has ended (Failed: container bay ended with exit code 137 (OOMKilled))",
      true,
    ],
    ["an evicted pod", { status: { phase: "Failed", reason: "Evicted" } }, "pod bay has ended (Failed: Evicted)", true],
    [
      "an image that never comes",
      pod("Pending", { state: { waiting: { reason: "ErrImageNeverPull", message: "image is not present" } } }),
      "pod bay is Pending: container bay waits, ErrImageNeverPull: image is not present",
      true,
    ],
    [
      "a container being made",
      pod("Pending", { state: { waiting: { reason: "ContainerCreating" } } }),
      "pod bay is Pending: container bay waits, ContainerCreating",
      false,
    ],
    [
      "a crash loop",
      pod("Running", {
        restartCount: 2,
        state: { waiting: { reason: "CrashLoopBackOff" } },
        lastState: { terminated: { exitCode: 1, reason: "Error" } },
      }),
      "pod bay is Running: container bay waits, CrashLoopBackOff; it ended 2 times, last with exit code 1 (Error)",
      false,
    ],
    [
      "a pod without a node",
      {
        status: {
          phase: "Pending",
          conditions: [
            { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes are available" },
          ],
        },
      },
      "pod bay is Pending: Unschedulable: 0/1 nodes are available",
      false,
    ],
  ])("explains %s", (_, seen, why, hopeless) => expect(podReason("bay", seen)).toEqual({ why, hopeless }));

  it("has nothing against a running pod", () => {
    expect(podReason("bay", pod("Running", { state: { running: {} } }))).toBeUndefined();
  });
});
