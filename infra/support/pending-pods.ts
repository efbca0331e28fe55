import type { Get } from "./namespace-holds";

interface Metadata {
  name: string;
  deletionTimestamp?: string;
}
interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}
interface ContainerStatus {
  name: string;
  ready: boolean;
  state?: { waiting?: { reason?: string; message?: string } };
}
interface Pod {
  metadata: Metadata;
  spec?: { nodeName?: string };
  status?: {
    phase?: string;
    conditions?: Condition[] | null;
    initContainerStatuses?: ContainerStatus[] | null;
    containerStatuses?: ContainerStatus[] | null;
  };
}
interface Claim {
  metadata: Metadata;
  spec?: { storageClassName?: string | null };
  status?: { phase?: string };
}
interface StorageClass {
  metadata: Metadata;
  provisioner: string;
  volumeBindingMode?: string;
}
interface KubeEvent {
  type?: string;
  reason?: string;
  message?: string;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  involvedObject: { kind?: string; name?: string };
}

/** Reasons of events that say why something does not come up. */
const TELLING =
  /^(Failed|FailedScheduling|FailedMount|FailedAttachVolume|FailedCreate|FailedCreatePodSandBox|ProvisioningFailed|ExternalProvisioning|BackOff|Unhealthy)$/;

/**
 * Returns why pods and claims of a namespace are not ready, a line each: an image that cannot be pulled, no node with
 * room, a volume that nobody provisions, a quota. Empty where all is well. Looks only.
 */
export async function pendingIn(get: Get, namespace: string): Promise<string[]> {
  const path = `/api/v1/namespaces/${namespace}`;
  const list = async <T>(url: string) => (await get<{ items: T[] }>(url).catch(() => undefined))?.items ?? [];
  const [pods, claims, events, classes] = await Promise.all([
    list<Pod>(`${path}/pods`),
    list<Claim>(`${path}/persistentvolumeclaims`),
    list<KubeEvent>(`${path}/events`),
    list<StorageClass>("/apis/storage.k8s.io/v1/storageclasses"),
  ]);
  const waiting = pods.filter((pod) => pod.status?.phase !== "Succeeded" && !isReady(pod));
  const pending = claims.filter(({ status }) => status?.phase === "Pending");
  const quota = events
    .filter(({ reason, message }) => reason === "FailedCreate" && /exceeded quota/.test(message ?? ""))
    .slice(-1);
  return [
    ...waiting.map((pod) => `pod ${namespace}/${pod.metadata.name}: ${podReason(pod, events)}`),
    ...pending
      .flatMap((claim) => claimReason(claim, classes, events, waiting.length > 0) ?? [])
      .map((reason) => `claim in ${namespace}: ${reason}`),
    ...quota.map(({ message }) => `quota of ${namespace}: ${message ?? ""}`),
  ];
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
}

function podReason({ metadata, spec, status }: Pod, events: readonly KubeEvent[]): string {
  if (metadata.deletionTimestamp) return "it is being deleted";
  const states = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const stuck = states.find(
    ({ state }) => state?.waiting && !["ContainerCreating", "PodInitializing"].includes(state.waiting.reason ?? ""),
  );
  if (stuck)
    return `container ${stuck.name} waits, ${stuck.state!.waiting!.reason ?? ""}: ${stuck.state!.waiting!.message ?? ""}`;
  const event = lastEvent(events, "Pod", metadata.name);
  if (!spec?.nodeName) {
    const condition = status?.conditions?.find(
      ({ type, status: value }) => type === "PodScheduled" && value === "False",
    );
    return `no node has taken it: ${condition?.message ?? event ?? "the scheduler has not looked at it"}`;
  }
  return (
    event ??
    status?.conditions?.find(({ type, status: value }) => type === "Ready" && value === "False")?.message ??
    `it is ${status?.phase ?? "new"}`
  );
}

/** Nothing for a claim that only waits for its first pod. */
function claimReason(
  { metadata, spec }: Claim,
  classes: readonly StorageClass[],
  events: readonly KubeEvent[],
  podWaits: boolean,
): string | undefined {
  const name = spec?.storageClassName ?? "";
  if (name === "") return `${metadata.name} names no StorageClass, and the cluster has no default one`;
  const known = classes.find(({ metadata: { name: each } }) => each === name);
  if (!known) return `${metadata.name} wants the StorageClass ${name}, which the cluster does not have`;
  if (known.volumeBindingMode === "WaitForFirstConsumer" && !podWaits) return undefined;
  return `${metadata.name} has no volume yet from ${known.provisioner}: ${lastEvent(events, "PersistentVolumeClaim", metadata.name) ?? "its provisioner has said nothing; is it running?"}`;
}

function lastEvent(events: readonly KubeEvent[], kind: string, name: string): string | undefined {
  const time = ({ lastTimestamp, eventTime }: KubeEvent) => lastTimestamp ?? eventTime ?? "";
  const own = events.filter(
    ({ involvedObject, reason }) =>
      involvedObject.kind === kind && involvedObject.name === name && TELLING.test(reason ?? ""),
  );
  const last = own.sort((a, b) => time(a).localeCompare(time(b))).at(-1);
  return last && `${last.reason ?? ""}: ${last.message ?? ""}`;
}
