/** A resource as a policy sees it. */
export interface Declared {
  /** Type token, such as `kubernetes:core/v1:Pod`. */
  type: string;
  /** It names the components that the resource is part of. */
  urn: string;
  props: Record<string, unknown>;
}

/** What the rules read of a pod's specification. */
export interface PodSpec {
  automountServiceAccountToken?: boolean;
  serviceAccountName?: string;
  hostPID?: boolean;
  hostIPC?: boolean;
  hostNetwork?: boolean;
  volumes?: Record<string, unknown>[];
  initContainers?: PodContainer[];
  containers?: PodContainer[];
}

export interface PodContainer {
  name: string;
  image?: string;
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
  securityContext?: { privileged?: boolean };
}

/** Bay's own label on the pods of its sandboxes. */
export const SANDBOX_LABEL = "bay.managed";

interface Template {
  metadata?: { labels?: Record<string, string> };
  spec?: PodSpec;
}

/** The pod that a resource is, or makes; nothing for other kinds. */
export function podOf({ type, props }: Declared): { labels: Record<string, string>; spec: PodSpec } | undefined {
  const spec = props["spec"] as { template?: Template; jobTemplate?: { spec?: { template?: Template } } } | undefined;
  const template =
    type === "kubernetes:core/v1:Pod"
      ? (props as Template)
      : /^kubernetes:apps\/v1:(Deployment|DaemonSet|StatefulSet|ReplicaSet)$|^kubernetes:batch\/v1:Job$|^kubernetes:core\/v1:ReplicationController$/.test(
            type,
          )
        ? spec?.template
        : type === "kubernetes:batch/v1:CronJob"
          ? spec?.jobTemplate?.spec?.template
          : undefined;
  return template?.spec && { labels: template.metadata?.labels ?? {}, spec: template.spec };
}

/** All containers of a pod, those of its start included. */
export function containersOf(spec: PodSpec | undefined): PodContainer[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
}

/** A resource's labels, as Kubernetes and as Docker's provider write them. */
export function labelsOf({ props }: Declared): Record<string, string> {
  const docker = props["labels"] as { label: string; value: string }[] | undefined;
  if (Array.isArray(docker)) return Object.fromEntries(docker.map(({ label, value }) => [label, value]));
  return (props["metadata"] as { labels?: Record<string, string> } | undefined)?.labels ?? {};
}
