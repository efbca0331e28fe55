import { randomBytes } from "node:crypto";
import type { Pod, PodSpec } from "../cluster/pod";

/** Tells the runtime on the node which checkpoint the pod's container is restored from. */
export const RESTORE_ANNOTATION = "runc-cr.dev/restore";
/** Which action made a restored pod; after a restart the propagator knows its own by it. */
export const ACTION_ANNOTATION = "bay-e2e.dev/restore-action";
const FROM_ANNOTATION = "bay-e2e.dev/restored-from";

/** Longest name that is also a label's value and a host name. */
const NAME_LIMIT = 63;
/** Labels by which controllers know their pods. */
const CONTROLLER_LABELS = [
  "pod-template-hash",
  "pod-template-generation",
  "controller-revision-hash",
  "controller-uid",
  "job-name",
  "batch.kubernetes.io/controller-uid",
  "batch.kubernetes.io/job-name",
  "batch.kubernetes.io/job-completion-index",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
];
/** Annotations of the pod as it was, which are not true of the new one. */
const STALE_ANNOTATION =
  /^(runc-cr\.dev|bay-e2e\.dev|cni\.projectcalico\.org|k8s\.v1\.cni\.cncf\.io|k8s\.ovn\.org)\/|^kubectl\.kubernetes\.io\/(last-applied-configuration|restartedAt)$|^kubernetes\.io\/(config\.|limit-ranger)/;
/** What decided where the pod ran, and what the API server filled in. */
const DROPPED = [
  "nodeName",
  "nodeSelector",
  "topologySpreadConstraints",
  "schedulingGates",
  "initContainers",
  "ephemeralContainers",
  "overhead",
  "affinity",
];

/**
 * A new name for a restored pod: `<old>-restored-<6 hex>`; where that is too long, earlier such endings give way first.
 */
export function restoredName(old: string): string {
  const ending = `-restored-${randomBytes(3).toString("hex")}`;
  const room = NAME_LIMIT - ending.length;
  const base = old.length <= room ? old : old.replace(/(-restored-[0-9a-f]{6})+$/, "");
  return base.slice(0, room).replace(/[-.]+$/, "") + ending;
}

export interface RestoredPod {
  /** The pod as it was at the checkpoint. */
  pod: Pod;
  name: string;
  node: string;
  checkpointId: string;
  actionId: string;
  runtimeClass: string;
}

/**
 * The pod to make so that the node's runtime restores it: the old one's containers, volumes and host name, on the same
 * node, belonging to nobody. Init containers are left out, their work is done.
 */
export function restoredPod({ pod, name, node, checkpointId, actionId, runtimeClass }: RestoredPod): object {
  const { metadata, spec } = pod;
  const kept = Object.fromEntries(Object.entries(spec).filter(([key]) => !DROPPED.includes(key)));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: metadata.namespace,
      labels: without(metadata.labels, (key) => CONTROLLER_LABELS.includes(key)),
      annotations: {
        ...without(metadata.annotations, (key) => STALE_ANNOTATION.test(key)),
        [RESTORE_ANNOTATION]: checkpointId,
        [ACTION_ANNOTATION]: actionId,
        [FROM_ANNOTATION]: `${metadata.name}/${metadata.uid}`,
      },
    },
    spec: {
      ...kept,
      ...hostname(pod),
      runtimeClassName: runtimeClass,
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }],
          },
        },
      },
      // The image is on the node, and the process has files of it open: no other one may take its place.
      containers: spec.containers.map((container) => ({ ...container, imagePullPolicy: "Never" })),
    },
  };
}

/** The kubelet makes the host name of the pod's name, cut to 63 characters; one with dots cannot be asked for. */
function hostname({ metadata, spec }: Pod): Pick<PodSpec, "hostname"> {
  const old = spec.hostname ?? metadata.name.slice(0, NAME_LIMIT).replace(/[-.]+$/, "");
  return old.includes(".") ? {} : { hostname: old };
}

function without(map: Record<string, string> | undefined, drop: (key: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(map ?? {}).filter(([key]) => !drop(key)));
}
