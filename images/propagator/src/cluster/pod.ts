/** The parts of a pod that are read here; what else it has is kept as it is. */
export interface Pod {
  apiVersion?: string;
  kind?: string;
  metadata: PodMetadata;
  spec: PodSpec;
  status?: PodStatus;
}

export interface PodMetadata {
  name: string;
  namespace: string;
  uid: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { kind: string; name: string; controller?: boolean }[];
  deletionTimestamp?: string;
  resourceVersion?: string;
  [key: string]: unknown;
}

export interface PodContainer {
  name: string;
  image: string;
  tty?: boolean;
  stdin?: boolean;
  restartPolicy?: string;
  resources?: { limits?: Record<string, string>; requests?: Record<string, string>; claims?: unknown[] };
  [key: string]: unknown;
}

export interface PodSpec {
  containers: PodContainer[];
  initContainers?: PodContainer[];
  ephemeralContainers?: { name: string }[];
  nodeName?: string;
  hostname?: string;
  hostUsers?: boolean;
  hostNetwork?: boolean;
  hostPID?: boolean;
  hostIPC?: boolean;
  shareProcessNamespace?: boolean;
  runtimeClassName?: string;
  [key: string]: unknown;
}

export interface ContainerState {
  running?: { startedAt?: string };
  waiting?: { reason?: string; message?: string };
  terminated?: { reason?: string; message?: string; exitCode: number };
}

export interface PodStatus {
  phase?: string;
  reason?: string;
  message?: string;
  podIP?: string;
  conditions?: { type: string; status: string; reason?: string; message?: string }[];
  containerStatuses?: {
    name: string;
    containerID?: string;
    imageID?: string;
    restartCount?: number;
    ready?: boolean;
    state?: ContainerState;
    lastState?: ContainerState;
  }[];
  ephemeralContainerStatuses?: { name: string; state?: ContainerState }[];
}

export function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
}
