import { UserError } from "../../infra/support/errors";
import type { PropagatorClient } from "./client";
import { PropagatorError } from "./errors";
import { baseUrl } from "./url";

/** A propagator that can be called. */
export interface Target {
  /** Base of all calls, without a version. */
  url: string;
  token: string;
  /** Cluster that calls are meant for where none is named. */
  clusterId?: string;
  /** Where the address came from, for people: `the environment`, `stack k3s`. */
  origin: string;
}

/** Where Cedana's own tests go. */
const DEFAULT_URL = "https://ci.cedana.ai/v1";
/** runc's states of Kubernetes' containers. */
const DEFAULT_RUNC_ROOT = "/run/containerd/runc/k8s.io";
/** What is used in place of a cluster's id where there is none; the propagator refuses both. */
const NO_CLUSTER = "test-cluster-placeholder";
const NO_ID = "test-cluster-fallback";

/**
 * The propagator that `CEDANA_AUTH_TOKEN`, `CEDANA_URL` (default: Cedana's for tests) and `CLUSTER_ID` name; nothing
 * when there is no token, for which there is no default.
 * @throws UserError E_PROPAGATOR_TARGET for a bad address
 */
export function targetOfEnvironment(env: NodeJS.ProcessEnv = process.env): Target | undefined {
  const token = env["CEDANA_AUTH_TOKEN"]?.trim();
  if (!token) return undefined;
  const clusterId = env["CLUSTER_ID"]?.trim();
  return {
    url: baseUrl(env["CEDANA_URL"]?.trim() || DEFAULT_URL),
    token,
    ...(clusterId ? { clusterId } : {}),
    origin: "the environment",
  };
}

/** As `targetOfEnvironment`. @throws UserError E_PROPAGATOR_TARGET also when there is no token */
export function requireTarget(env: NodeJS.ProcessEnv = process.env): Target {
  const target = targetOfEnvironment(env);
  if (target) return target;
  throw new UserError("E_PROPAGATOR_TARGET", {
    seen: "CEDANA_AUTH_TOKEN is not set",
    wanted: "the token of a propagator",
    next: "export CEDANA_AUTH_TOKEN=… CEDANA_URL=https://HOST/v1",
  });
}

/** `RUNC_ROOT`, else where containerd has runc's states of Kubernetes' containers. */
export function runcRoot(env: NodeJS.ProcessEnv = process.env): string {
  return env["RUNC_ROOT"]?.trim() || DEFAULT_RUNC_ROOT;
}

/** A cluster's id, and how it was found. */
export interface FoundCluster {
  id: string;
  source: "given" | "listed" | "placeholder";
  /** Why it is a placeholder. */
  why?: string;
}

/**
 * The cluster to name in a request: the one given (`CLUSTER_ID`), else the first that the propagator has, else a
 * placeholder, which is no UUID and which the propagator refuses. Fails only for a token that is refused.
 */
export async function findCluster(client: PropagatorClient, given?: string): Promise<FoundCluster> {
  if (given) return { id: given, source: "given" };
  try {
    const [first] = await client.clusters();
    if (!first) return { id: NO_CLUSTER, source: "placeholder", why: "the propagator has no cluster" };
    return first.id
      ? { id: first.id, source: "listed" }
      : { id: NO_ID, source: "placeholder", why: "the first cluster has no id" };
  } catch (error) {
    if (!(error instanceof PropagatorError) || error.status === 401) throw error;
    return { id: NO_CLUSTER, source: "placeholder", why: error.message };
  }
}
