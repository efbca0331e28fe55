/**
 * The contract between the program and whoever uses a stack that is up: the tests, the runner, another program.
 * The entry point exports exactly these keys; the tests import this file and nothing else of `infra/`.
 */

/** The Kubernetes backends that a stack can choose. */
export const BACKENDS = ["kind", "docker-desktop", "existing", "k3s"] as const;
export type BackendName = (typeof BACKENDS)[number];

/** One image as the cluster knows it. */
export interface ImageOutput {
  /** The reference that pods use, e.g. `docker.io/bay-e2e/bay:3f2a…`. */
  reference: string;
  /** Content id (`sha256:…`) in the local image store; empty for a reference that was taken as given. */
  id: string;
}

/** What is known of the cluster. */
export interface ClusterOutput {
  /** The backend's own name of the cluster; for k3s the node container's name. */
  name: string;
  /** Kubernetes version as the API server tells it, e.g. `v1.36.3`. */
  version: string;
  /** Names of the nodes, sorted. */
  nodes: string[];
  /** Container runtime of the first node, e.g. `containerd://2.1.9`. */
  runtime: string;
  /** Name and version of the distribution, e.g. `k3s v1.36.3+k3s1`; tells a stand-in from the official one. */
  distribution: string;
}

/** A profile of Bay's configuration that tests may ask for. */
export interface ProfileOutput {
  id: string;
  capabilities: string[];
  /** Seconds without a call after which Bay's GC may stop the session. */
  idleTimeout: number;
}

/** Who answers the propagator's API, by which pods are checkpointed and restored, and how it is reached. */
export interface CheckpointOutput {
  /** The propagator of this repository, Cedana's, or nobody. */
  source: "propagator" | "cedana" | "none";
  /** Why there is nobody; empty otherwise. */
  reason: string;
  /** Base of all calls, without a version; empty where a port-forward is needed. */
  url: string;
  /** Where the port-forward leads: to a ready pod of the release's namespace; null where `url` is the way. */
  forward: { selector: string; port: number } | null;
  /** Id of this cluster in requests. */
  clusterId: string;
  /** Namespace and name of the Helm release. */
  namespace: string;
  release: string;
  /** Name and version of the chart. */
  chart: string;
}

/** All outputs of a stack. */
export interface StackOutputs {
  backend: BackendName;
  namespace: string;
  /** Bay's pod. */
  pod: string;
  /** Bay's port inside the pod. */
  port: number;
  /** Bearer key of Bay's API. Secret. */
  apiKey: string;
  /** Kubeconfig (YAML) that reaches the cluster from this host. Secret. */
  kubeconfig: string;
  cluster: ClusterOutput;
  images: { bay: ImageOutput; ship: ImageOutput };
  profiles: ProfileOutput[];
  /** RuntimeClass of pods that can be checkpointed and restored; empty where the stack has none. */
  checkpointRuntimeClass: string;
  checkpoint: CheckpointOutput;
  /** Bearer token of the propagator's API; empty where there is none. Secret. */
  propagatorToken: string;
}

/** Keys that are secret in the state; tests plant and search for them. */
export const SECRET_OUTPUTS = [
  "apiKey",
  "kubeconfig",
  "propagatorToken",
] as const satisfies readonly (keyof StackOutputs)[];

/** Names every output that is missing or of the wrong type; empty when `value` is a `StackOutputs`. */
export function problemsOfOutputs(value: Record<string, unknown>): string[] {
  const expected: Record<keyof StackOutputs, string> = {
    backend: "string",
    namespace: "string",
    pod: "string",
    port: "number",
    apiKey: "string",
    kubeconfig: "string",
    cluster: "object",
    images: "object",
    profiles: "object",
    checkpointRuntimeClass: "string",
    checkpoint: "object",
    propagatorToken: "string",
  };
  return Object.entries(expected)
    .filter(([key, type]) => typeof value[key] !== type)
    .map(
      ([key, type]) =>
        `output "${key}" is ${value[key] === undefined ? "missing" : `a ${typeof value[key]}`}, wanted a ${type}`,
    );
}
