import type { FoundPreview } from "./facts";
import { saysReady } from "../../infra/support/conditions";
import { UserError } from "../../infra/support/errors";
import { openKubeApi, type KubeList } from "../../infra/support/kube-api";
import { amountOf } from "../../infra/support/quantity";

interface Resources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}
interface Container {
  name: string;
  image: string;
  resources?: Resources;
  ports?: { name?: string; containerPort: number }[];
}
interface Pod {
  metadata: { name: string; labels?: Record<string, string> };
  spec: { containers: Container[] };
  status: { phase: string; conditions?: { type: string; status: string }[] };
}
interface Claim {
  spec: { resources?: Resources };
}
interface QuotaObject {
  status?: { hard?: Record<string, string>; used?: Record<string, string> };
}

/** What pods and volumes of a preview ask for and may take: cores and bytes. */
export interface Cost {
  pods: number;
  requests: { cpu: number; memory: number };
  limits: { cpu: number; memory: number };
  volumes: number;
  storage: number;
}

/** Bay's pod of a preview. */
export interface BayPod {
  name: string;
  port: number;
  image: string;
  phase: string;
  ready: boolean;
}

/** A preview as its cluster has it now. */
export interface Details {
  /** Nothing where there is no such pod. */
  bay?: BayPod;
  cost: Cost;
  /** Of each limit how much is used, by Kubernetes' names. */
  quota: Record<string, { used: string; hard: string }>;
}

/**
 * Asks a preview's cluster; no tool and no state is needed. @throws UserError E_PREVIEW_UNKNOWN, E_CLUSTER_UNREACHABLE
 */
export async function detailsOf(found: FoundPreview): Promise<Details> {
  return asked(found, async (get, namespace) => {
    const [pods, claims, quota] = await Promise.all([
      get<KubeList<Pod>>(`/api/v1/namespaces/${namespace}/pods`),
      get<KubeList<Claim>>(`/api/v1/namespaces/${namespace}/persistentvolumeclaims`),
      get<QuotaObject>(`/api/v1/namespaces/${namespace}/resourcequotas/preview`),
    ]);
    const bay = (pods?.items ?? []).find(({ metadata }) => metadata.labels?.["app"] === "bay");
    return {
      ...(bay ? { bay: bayPod(bay) } : {}),
      cost: costOf(pods?.items ?? [], claims?.items ?? []),
      quota: quotaUse(quota),
    };
  });
}

/**
 * The key of a preview's Bay, from its Secret. @throws UserError E_PREVIEW_UNKNOWN, E_CLUSTER_UNREACHABLE,
 * E_BAY_NOT_READY
 */
export async function keyOf(found: FoundPreview): Promise<string> {
  const { bay } = await detailsOf(found);
  const pod = requireBay(found, bay);
  return asked(found, async (get, namespace) => {
    const secret = await get<{ data?: Record<string, string> }>(
      `/api/v1/namespaces/${namespace}/secrets/${pod.name}-api-key`,
    );
    return Buffer.from(secret?.data?.["api-key"] ?? "", "base64").toString();
  });
}

/** @throws UserError E_BAY_NOT_READY where the namespace has no pod of Bay */
export function requireBay({ name, namespace }: FoundPreview, bay: BayPod | undefined): BayPod {
  if (bay) return bay;
  throw new UserError("E_BAY_NOT_READY", {
    seen: `no pod of Bay in namespace ${namespace ?? "(gone)"}`,
    wanted: "the pod of the preview",
    next: `npm run preview -- up ${name}`,
  });
}

/** Sums over the pods that have not ended and the volumes. */
export function costOf(pods: readonly Pick<Pod, "spec" | "status">[], claims: readonly Claim[]): Cost {
  const live = pods
    .filter(({ status }) => !["Succeeded", "Failed"].includes(status.phase))
    .flatMap(({ spec }) => spec.containers);
  const sum = (kind: "requests" | "limits", what: "cpu" | "memory") =>
    live.reduce((total, { resources }) => total + (amountOf(resources?.[kind]?.[what] ?? 0) ?? 0), 0);
  return {
    pods: pods.filter(({ status }) => !["Succeeded", "Failed"].includes(status.phase)).length,
    requests: { cpu: sum("requests", "cpu"), memory: sum("requests", "memory") },
    limits: { cpu: sum("limits", "cpu"), memory: sum("limits", "memory") },
    volumes: claims.length,
    storage: claims.reduce((total, { spec }) => total + (amountOf(spec.resources?.requests?.["storage"] ?? 0) ?? 0), 0),
  };
}

function bayPod({ metadata, spec, status }: Pod): BayPod {
  const container = spec.containers.find(({ name }) => name === "bay") ?? spec.containers[0]!;
  const port =
    container.ports?.find(({ name }) => name === "http")?.containerPort ?? container.ports?.[0]?.containerPort ?? 0;
  return { name: metadata.name, port, image: container.image, phase: status.phase, ready: saysReady(status) };
}

function quotaUse(quota: QuotaObject | undefined): Details["quota"] {
  const { hard = {}, used = {} } = quota?.status ?? {};
  return Object.fromEntries(Object.entries(hard).map(([key, most]) => [key, { hard: most, used: used[key] ?? "0" }]));
}

type Get = <T>(path: string) => Promise<T | undefined>;

async function asked<T>(
  { name, namespace, kubeconfig, cluster, clusterState }: FoundPreview,
  work: (get: Get, namespace: string) => Promise<T>,
): Promise<T> {
  if (clusterState !== "answers" || kubeconfig === undefined) {
    throw new UserError("E_CLUSTER_UNREACHABLE", {
      seen: `the cluster of the preview ${name}, ${cluster || "which nobody knows any more"}, ${clusterState === "gone" ? "is gone" : "does not answer"}`,
      wanted: "an API server that answers",
      next:
        clusterState === "gone"
          ? `npm run preview -- down ${name}`
          : `npm run preview -- down ${name} --cluster-gone   (only when it is gone for good)`,
    });
  }
  if (namespace === undefined)
    throw new UserError("E_PREVIEW_UNKNOWN", {
      seen: `the preview ${name} has no namespace on ${cluster}`,
      wanted: "a preview that is up",
      next: `npm run preview -- up ${name}`,
    });
  const api = await openKubeApi(kubeconfig);
  try {
    return await work((path) => api.get(path), namespace);
  } finally {
    api.close();
  }
}
