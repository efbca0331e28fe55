import type { Pod, PodContainer } from "../cluster/pod";
import { type Reason, Refused } from "../errors";

/** The container of a pod that is to be dumped. */
export interface Subject {
  node: string;
  container: string;
  /** Without `containerd://`. */
  containerId: string;
  image: string;
}

/** Controllers that take up any pod with their labels, and delete it again as one too many. */
const ADOPTING = ["DaemonSet", "ReplicationController"];

/**
 * The container to dump.
 * @throws Refused with the reason why the pod could not be dumped, or not be restored from its dump
 */
export function eligible(pod: Pod, { runtimeClass }: { runtimeClass: string }): Subject {
  const {
    metadata: { namespace, name },
    spec,
  } = pod;
  const refuse = (reason: Reason, why: string): never => {
    throw new Refused(reason, `pod ${namespace}/${name} ${why}`);
  };
  const others = [
    ...(spec.initContainers ?? [])
      .filter(({ restartPolicy }) => restartPolicy === "Always")
      .map(({ name: sidecar }) => sidecar),
    ...runningEphemeral(pod),
  ];
  const [container, ...more] = spec.containers;
  if (!container) return refuse("pod_not_running", "has no container");
  if (more.length + others.length > 0)
    refuse(
      "several_containers",
      `has several containers (${[...spec.containers.map((each) => each.name), ...others].join(", ")}); only pods of one can be checkpointed`,
    );
  if (container.tty) refuse("tty", "has a terminal (tty: true), which cannot be dumped");
  if (spec.hostUsers === false)
    refuse("user_namespace", "has a user namespace (hostUsers: false), which cannot be dumped");
  const host = (["hostNetwork", "hostPID", "hostIPC"] as const).filter((each) => spec[each]);
  if (host.length > 0)
    refuse("host_namespace", `shares namespaces with its node (${host.join(", ")}), which cannot be restored`);
  if (spec.shareProcessNamespace)
    refuse(
      "shared_process_namespace",
      "shares its process namespace among containers (shareProcessNamespace), which cannot be restored",
    );
  if (spec.runtimeClassName && spec.runtimeClassName !== runtimeClass)
    refuse("runtime_class", `has the RuntimeClass ${spec.runtimeClassName}; only containers of runc can be dumped`);
  const device = deviceOf(container);
  if (device || spec["resourceClaims"])
    refuse("device", `has a device (${device ?? "resourceClaims"}), which cannot be dumped`);
  refuseOwners(pod, refuse);
  return running(pod, container, refuse);
}

function running(pod: Pod, container: PodContainer, refuse: (reason: Reason, why: string) => never): Subject {
  const status = pod.status?.containerStatuses?.find(({ name }) => name === container.name);
  const id = /^containerd:\/\/([0-9a-f]{8,64})$/.exec(status?.containerID ?? "")?.[1];
  if (pod.metadata.deletionTimestamp) return refuse("pod_not_running", "is being deleted");
  if (!pod.spec.nodeName || !status?.state?.running)
    return refuse("pod_not_running", `is not running: ${stateOf(pod)}`);
  if (id === undefined)
    return refuse("runtime_class", `is not run by containerd: its container is ${status.containerID ?? "unknown"}`);
  return { node: pod.spec.nodeName, container: container.name, containerId: id, image: container.image };
}

function refuseOwners(pod: Pod, refuse: (reason: Reason, why: string) => never): void {
  if (pod.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined)
    refuse("static_pod", "is a static pod of its node, which only the node can make");
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
  const adopts =
    owner &&
    (ADOPTING.includes(owner.kind) ||
      (owner.kind === "ReplicaSet" && pod.metadata.labels?.["pod-template-hash"] === undefined));
  if (adopts)
    refuse(
      "pod_controller",
      `is of the ${owner.kind} ${owner.name}, which would take the restored pod for one too many and delete it`,
    );
}

/** Extended resources have a domain in their names. */
function deviceOf({ resources }: PodContainer): string | undefined {
  if (resources?.claims) return "resources.claims";
  return Object.keys({ ...resources?.limits, ...resources?.requests }).find((name) => name.includes("/"));
}

function runningEphemeral({ status }: Pod): string[] {
  return (status?.ephemeralContainerStatuses ?? []).filter(({ state }) => state?.running).map(({ name }) => name);
}

function stateOf({ status }: Pod): string {
  const state = status?.containerStatuses?.[0]?.state;
  const { reason } = state?.waiting ?? state?.terminated ?? {};
  return `${status?.phase ?? "no status yet"}${reason ? ` (${reason})` : ""}`;
}
