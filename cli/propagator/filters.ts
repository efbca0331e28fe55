import type { Action, Checkpoint } from "./types";

/** What the rows of a list must be; what is left out is not asked for. */
export interface Filters {
  cluster?: string;
  /** Part of the pod's name. */
  pod?: string;
  namespace?: string;
  status?: string;
  /** Seconds. */
  olderThan?: number;
  /** Seconds. */
  youngerThan?: number;
}

/** What is known of a row, whatever list it is of. */
export interface Facts {
  cluster?: string;
  pod?: string;
  namespace?: string;
  status?: string;
  /** ISO 8601 */
  at?: string;
}

/** A row of which a fact is not known does not pass a filter that asks for it. */
export function passes(facts: Facts, filters: Filters, now = Date.now()): boolean {
  const is = (wanted: string | undefined, found: string | undefined) => wanted === undefined || wanted === found;
  const age = facts.at === undefined ? undefined : (now - Date.parse(facts.at)) / 1000;
  return (
    is(filters.cluster, facts.cluster) &&
    is(filters.namespace, facts.namespace) &&
    is(filters.status, facts.status) &&
    (filters.pod === undefined || (facts.pod?.includes(filters.pod) ?? false)) &&
    (filters.olderThan === undefined || (age !== undefined && age > filters.olderThan)) &&
    (filters.youngerThan === undefined || (age !== undefined && age < filters.youngerThan))
  );
}

export function factsOfCheckpoint({ cluster_id, pod_name, namespace, status, created_at }: Checkpoint): Facts {
  return known({ cluster: cluster_id, pod: pod_name, namespace, status, at: created_at });
}

/** A local propagator tells the pod in the details; elsewhere they hold the request, which may name it. */
export function factsOfAction({ cluster_id, status, action_timestamp, details }: Action): Facts {
  const { pod, restored_pod, pod_name, namespace } = (
    typeof details === "object" && details !== null ? details : {}
  ) as { pod?: PodOfAction; restored_pod?: PodOfAction; pod_name?: string; namespace?: string };
  const of = restored_pod ?? pod ?? { name: pod_name, namespace };
  return known({ cluster: cluster_id, pod: of.name, namespace: of.namespace, status, at: action_timestamp });
}

interface PodOfAction {
  name?: string;
  namespace?: string;
}

function known(facts: { [K in keyof Facts]: string | null | undefined }): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => typeof value === "string" && value !== ""));
}
