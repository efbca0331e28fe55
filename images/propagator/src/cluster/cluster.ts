import type { Pod } from "./pod";

/**
 * The cluster that the propagator runs in. Methods throw `Refused` cluster_unreachable when it does not answer, and
 * forbidden_namespace where the propagator has no rights.
 */
export interface Cluster {
  pod(namespace: string, name: string): Promise<Pod | undefined>;
  /** Looks through the namespaces that the propagator is told to look through. */
  podByUid(uid: string): Promise<Pod | undefined>;
  /** @throws Refused forbidden_namespace where the propagator may not read pods */
  requireAccess(namespace: string): Promise<void>;
  /** @returns nothing where a pod of that name exists. @throws Failed when the API server refuses it */
  createPod(pod: object, namespace: string): Promise<Pod | undefined>;
  /** Deletes the pod with that UID; one that is gone is no error. */
  deletePod(namespace: string, name: string, uid: string): Promise<void>;
  /**
   * Follows a pod until `look` gives a value.
   * @param look is given nothing while there is no such pod
   * @returns nothing at the deadline
   */
  followPod<T>(
    namespace: string,
    name: string,
    look: (pod: Pod | undefined) => T | undefined,
    options: { deadline: number; signal: AbortSignal },
  ): Promise<T | undefined>;
  /** Messages of the warnings about a pod, oldest first. */
  warnings(namespace: string, uid: string): Promise<string[]>;
  /** Address of the agent on a node, if a ready one is there. */
  agentOn(node: string): Promise<string | undefined>;
  /** Whether the API server answers. */
  answers(): Promise<boolean>;
  close(): void;
}
