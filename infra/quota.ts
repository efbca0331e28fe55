import { PROFILES, type Profile, type Resources } from "./components/profiles";
import { amountOf, memoryText } from "./support/quantity";

/** What Bay's own container asks for and may take. */
export const BAY_RESOURCES = {
  requests: { cpu: "100m", memory: "128Mi", "ephemeral-storage": "32Mi" },
  limits: { cpu: "1", memory: "512Mi", "ephemeral-storage": "1Gi" },
};
/** Size of Bay's /tmp: a pod that takes more is evicted. */
export const BAY_TMP = "512Mi";
/** Size of the volume with Bay's records: a sandbox takes some hundred bytes, the history 256 MiB at most. */
export const BAY_STORAGE = "1Gi";

/** What a ResourceQuota can limit here, by Kubernetes' own names. */
export const QUOTA_KEYS = [
  "requests.cpu",
  "requests.memory",
  "limits.cpu",
  "limits.memory",
  "pods",
  "persistentvolumeclaims",
  "requests.storage",
] as const;
export type QuotaKey = (typeof QUOTA_KEYS)[number];
export type Quota = Partial<Record<QuotaKey, string>>;

/** Bay and two dozen small sandboxes, or sixteen at the limit of their memory. */
const DEFAULTS: Quota = {
  "requests.cpu": "2",
  "requests.memory": "4Gi",
  "limits.memory": "17Gi",
  pods: "25",
  persistentvolumeclaims: "40",
  "requests.storage": "48Gi",
};

/** The quota of a preview's namespace: the defaults, with what the configuration says laid over. */
export function quotaOf(configured: Partial<Record<QuotaKey, string | number>>): Quota {
  const own = Object.entries(configured).map(([key, value]) => [key, String(value)]);
  return { ...DEFAULTS, ...(Object.fromEntries(own) as Quota) };
}

/**
 * What of a quota is less than Bay and one sandbox of its largest profile take, in words; empty where they fit.
 * @param storageSize of a sandbox's volume
 */
export function quotaProblems(quota: Quota, storageSize: string, profiles: readonly Profile[] = PROFILES): string[] {
  const needs = needsOf(storageSize, profiles);
  return QUOTA_KEYS.flatMap((key) => {
    const given = quota[key];
    if (given === undefined || (amountOf(given) ?? 0) >= needs[key]) return [];
    return [
      `${key} is ${given}, and Bay with one sandbox takes ${/memory|storage/.test(key) ? memoryText(needs[key]) : String(Number(needs[key].toFixed(3)))}`,
    ];
  });
}

/** Cores, bytes and pieces of Bay and one sandbox. */
function needsOf(storageSize: string, profiles: readonly Profile[]): Record<QuotaKey, number> {
  const { requests, limits } = BAY_RESOURCES;
  const most = (of: (profile: Profile) => number) => Math.max(0, ...profiles.map(of));
  const sum = (kind: "requests" | "resources", what: (resources: Resources) => number) => (profile: Profile) =>
    (profile.containers ?? [profile]).reduce((total, each) => total + what(each[kind]), 0);
  const cpu = ({ cpus }: Resources) => cpus;
  const memory = (resources: Resources) => bayMemory(resources.memory);
  return {
    "requests.cpu": amountOf(requests.cpu)! + most(sum("requests", cpu)),
    "requests.memory": amountOf(requests.memory)! + most(sum("requests", memory)),
    "limits.cpu": amountOf(limits.cpu)! + most(sum("resources", cpu)),
    "limits.memory": amountOf(limits.memory)! + most(sum("resources", memory)),
    pods: 2,
    persistentvolumeclaims: 2,
    "requests.storage": amountOf(BAY_STORAGE)! + (amountOf(storageSize) ?? 0),
  };
}

/** Memory as Bay writes it: `1g` is a gibibyte, `96m` are mebibytes. */
function bayMemory(text: string): number {
  return amountOf(text.replace(/([gmk])$/i, (unit) => `${unit.toUpperCase()}i`)) ?? 0;
}
