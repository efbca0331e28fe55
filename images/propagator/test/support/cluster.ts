import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { Cluster } from "../../src/cluster/cluster";
import type { Pod, PodStatus } from "../../src/cluster/pod";
import { Failed, Refused } from "../../src/errors";

/** A cluster in memory, whose pods the test moves on. The real one is in the suites on a cluster. */
export class MemoryCluster implements Cluster {
  readonly pods = new Map<string, Pod>();
  readonly agents = new Map<string, string>();
  readonly events = new Map<string, string[]>();
  /** What becomes of a pod that is made: its status, or what the API server refuses. */
  onCreate: (pod: Pod) => PodStatus | Error = () => ({ phase: "Pending" });
  private readonly changes = new EventEmitter().setMaxListeners(0);

  set(pod: Pod): Pod {
    this.pods.set(`${pod.metadata.namespace}/${pod.metadata.name}`, pod);
    this.changes.emit("change");
    return pod;
  }

  status(namespace: string, name: string, status: PodStatus): void {
    this.set({ ...this.pods.get(`${namespace}/${name}`)!, status });
  }

  remove(namespace: string, name: string): void {
    this.pods.delete(`${namespace}/${name}`);
    this.changes.emit("change");
  }

  async pod(namespace: string, name: string): Promise<Pod | undefined> {
    await this.requireAccess(namespace);
    return this.pods.get(`${namespace}/${name}`);
  }
  async podByUid(uid: string): Promise<Pod | undefined> {
    return [...this.pods.values()].find(({ metadata }) => metadata.uid === uid);
  }
  /** Namespaces in which the propagator has no rights. */
  readonly forbidden = new Set<string>();
  async requireAccess(namespace: string): Promise<void> {
    if (this.forbidden.has(namespace)) throw new Refused("forbidden_namespace", `pods is forbidden in ${namespace}`);
  }
  async createPod(given: object, namespace: string): Promise<Pod | undefined> {
    const pod = given as Pod;
    if (this.pods.has(`${namespace}/${pod.metadata.name}`)) return undefined;
    const made = { ...pod, metadata: { ...pod.metadata, uid: randomUUID() } };
    const status = this.onCreate(made);
    if (status instanceof Error) throw new Failed("pod_refused", status.message);
    return this.set({ ...made, status });
  }
  async deletePod(namespace: string, name: string, uid: string): Promise<void> {
    if (this.pods.get(`${namespace}/${name}`)?.metadata.uid === uid) this.remove(namespace, name);
  }
  async followPod<T>(
    namespace: string,
    name: string,
    look: (pod: Pod | undefined) => T | undefined,
    { deadline, signal }: { deadline: number; signal: AbortSignal },
  ): Promise<T | undefined> {
    // Looked at in the loop, and so held: of a timeout that nobody holds `any` hears nothing (nodejs/node #57736).
    const late = AbortSignal.timeout(Math.max(0, deadline - Date.now()));
    const end = AbortSignal.any([signal, late]);
    for (;;) {
      const found = look(await this.pod(namespace, name));
      if (found !== undefined || late.aborted || signal.aborted) return found;
      await once(this.changes, "change", { signal: end }).catch(() => undefined);
    }
  }
  async warnings(_namespace: string, uid: string): Promise<string[]> {
    return [...(this.events.get(uid) ?? [])];
  }
  async agentOn(node: string): Promise<string | undefined> {
    return this.agents.get(node);
  }
  async answers(): Promise<boolean> {
    return true;
  }
  close(): void {
    /* nothing is open */
  }
}

export const RUNNING: PodStatus = {
  phase: "Running",
  conditions: [{ type: "Ready", status: "True" }],
  containerStatuses: [
    { name: "app", containerID: `containerd://${"4f".repeat(32)}`, restartCount: 0, state: { running: {} } },
  ],
};

/** A running pod of one container. */
export function pod(
  name: string,
  {
    spec = {},
    metadata = {},
    container = {},
    containerId = "4f".repeat(32),
  }: { spec?: object; metadata?: object; container?: object; containerId?: string } = {},
): Pod {
  return {
    metadata: { name, namespace: "demo", uid: randomUUID(), labels: { app: name }, ...metadata },
    spec: { nodeName: "node-1", containers: [{ name: "app", image: "demo:1", ...container }], ...spec },
    status: {
      ...RUNNING,
      containerStatuses: [{ ...RUNNING.containerStatuses![0]!, containerID: `containerd://${containerId}` }],
    },
  };
}
