import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { KubeAccess } from "../../../common/src/kubernetes/access";
import { KubeClient, KubeError } from "../../../common/src/kubernetes/client";
import type { Logger } from "../../../common/src/logger";
import { Failed, Refused } from "../errors";
import type { Cluster } from "./cluster";
import { isReady, type Pod } from "./pod";

export interface KubernetesOptions {
  /** Namespace of the agents. */
  namespace: string;
  /** Namespaces to look through for a pod by its UID; empty for all. */
  namespaces: readonly string[];
  /**
   * What a RoleBinding gives in a namespace, and to whom (NAMESPACE:NAME), for the refusal's command; empty where
   * unknown.
   */
  clusterRole: string;
  serviceAccount: string;
  agentSelector: string;
  agentPort: number;
}

/** Pods that are looked at together. */
const PAGE = 250;

interface WatchEvent {
  type: string;
  object: Pod;
}
interface Event {
  type?: string;
  message?: string;
  reason?: string;
  lastTimestamp?: string;
  eventTime?: string;
  metadata: { creationTimestamp?: string };
}

/** The cluster by its API server. */
export class KubernetesCluster implements Cluster {
  private readonly client: KubeClient;

  constructor(
    access: KubeAccess,
    private readonly options: KubernetesOptions,
    private readonly log: Logger,
  ) {
    this.client = new KubeClient(access);
  }

  async pod(namespace: string, name: string): Promise<Pod | undefined> {
    return this.ask(() => this.client.call<Pod>("GET", podPath(namespace, name)), 404);
  }

  async podByUid(uid: string): Promise<Pod | undefined> {
    const { namespaces } = this.options;
    const lists = namespaces.length === 0 ? ["/api/v1/pods"] : namespaces.map((each) => podPath(each));
    for (const path of lists) {
      const pod = await this.findIn(path, uid);
      if (pod) return pod;
    }
    return undefined;
  }

  /** In pages: a cluster may have more pods than this process has memory for. */
  private async findIn(path: string, uid: string): Promise<Pod | undefined> {
    let next = "";
    do {
      const query = new URLSearchParams({ limit: String(PAGE), ...(next === "" ? {} : { continue: next }) });
      // What was not given, or was taken away, cannot hold the pod up in another namespace.
      const list = await this.ask(
        () =>
          this.client.call<{ items: Pod[]; metadata?: { continue?: string } }>("GET", `${path}?${query.toString()}`),
        403,
        404,
      );
      const found = list?.items.find(({ metadata }) => metadata.uid === uid);
      if (found) return found;
      next = list?.metadata?.continue ?? "";
    } while (next !== "");
    return undefined;
  }

  async requireAccess(namespace: string): Promise<void> {
    await this.ask(() => this.client.call("GET", `${podPath(namespace)}?limit=1`), 404);
  }

  async createPod(pod: object, namespace: string): Promise<Pod | undefined> {
    try {
      return await this.client.call<Pod>("POST", podPath(namespace), pod);
    } catch (error) {
      if (!(error instanceof KubeError) || lacksRights(error)) throw this.refusal(error);
      if (error.reason === "AlreadyExists") return undefined;
      throw new Failed("pod_refused", `the Kubernetes API refused the restored pod: ${error.message}`);
    }
  }

  async deletePod(namespace: string, name: string, uid: string): Promise<void> {
    // 409: a pod of that name has another UID by now.
    await this.ask(
      () =>
        this.client.call("DELETE", podPath(namespace, name), {
          apiVersion: "v1",
          kind: "DeleteOptions",
          gracePeriodSeconds: 0,
          preconditions: { uid },
        }),
      404,
      409,
    );
  }

  async followPod<T>(
    namespace: string,
    name: string,
    look: (pod: Pod | undefined) => T | undefined,
    { deadline, signal }: { deadline: number; signal: AbortSignal },
  ): Promise<T | undefined> {
    const late = new AbortController();
    const stop = (): void => {
      late.abort();
    };
    const timer = setTimeout(stop, Math.max(0, deadline - Date.now()));
    signal.addEventListener("abort", stop, { once: true });
    try {
      for (;;) {
        const found = look(await this.pod(namespace, name)) ?? (await this.watch(namespace, name, look, late.signal));
        if (found !== undefined || late.signal.aborted) return found;
        await delay(200, undefined, { signal: late.signal }).catch(() => undefined);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  async warnings(namespace: string, uid: string): Promise<string[]> {
    const selector = encodeURIComponent(`involvedObject.uid=${uid},type=Warning`);
    const events = await this.ask(
      () =>
        this.client.call<{ items: Event[] }>("GET", `/api/v1/namespaces/${namespace}/events?fieldSelector=${selector}`),
      403,
      404,
    );
    const at = (event: Event): string =>
      event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? "";
    return (events?.items ?? [])
      .sort((a, b) => at(a).localeCompare(at(b)))
      .map(({ reason, message }) => `${reason ?? ""}: ${message ?? ""}`);
  }

  async agentOn(node: string): Promise<string | undefined> {
    const { namespace, agentSelector, agentPort } = this.options;
    const query = `labelSelector=${encodeURIComponent(agentSelector)}&fieldSelector=${encodeURIComponent(`spec.nodeName=${node}`)}`;
    const agents = await this.ask(
      () => this.client.call<{ items: Pod[] }>("GET", `${podPath(namespace)}?${query}`),
      404,
    );
    const ready = agents?.items.find((pod) => isReady(pod) && !pod.metadata.deletionTimestamp && pod.status?.podIP);
    const ip = ready?.status?.podIP;
    return ip === undefined ? undefined : `http://${ip.includes(":") ? `[${ip}]` : ip}:${agentPort}`;
  }

  async answers(): Promise<boolean> {
    return this.client.call("GET", "/version").then(
      () => true,
      () => false,
    );
  }

  close(): void {
    this.client.close();
  }

  /** Until `look` gives a value, the server ends the watch, or the signal fires. */
  private async watch<T>(
    namespace: string,
    name: string,
    look: (pod: Pod | undefined) => T | undefined,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const query = new URLSearchParams({ watch: "1", fieldSelector: `metadata.name=${name}`, timeoutSeconds: "60" });
    const stream = await this.client.watch(`${podPath(namespace)}?${query.toString()}`).catch((error: unknown) => {
      this.log.warn(
        { pod: `${namespace}/${name}`, error: (error as Error).message },
        "a pod cannot be watched, trying again",
      );
      return undefined;
    });
    if (!stream) return undefined;
    stream.on("error", () => undefined); // a broken watch ends the loop below
    const stop = (): void => {
      stream.destroy();
    };
    signal.addEventListener("abort", stop, { once: true });
    try {
      for await (const line of createInterface({ input: stream })) {
        const { type, object } = JSON.parse(line) as WatchEvent;
        if (type === "ERROR") return undefined;
        const found = look(type === "DELETED" ? undefined : object);
        if (found !== undefined || signal.aborted) return found;
      }
      return undefined;
    } catch (error) {
      if (!signal.aborted)
        this.log.warn(
          { pod: `${namespace}/${name}`, error: (error as Error).message },
          "the watch of a pod broke, trying again",
        );
      return undefined;
    } finally {
      signal.removeEventListener("abort", stop);
      stream.destroy();
    }
  }

  /** A call; nothing where its status is one of `none`. */
  private async ask<T>(call: () => Promise<T>, ...none: number[]): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof KubeError && none.includes(error.status)) return undefined;
      throw this.refusal(error);
    }
  }

  private refusal(error: unknown): Refused {
    if (error instanceof KubeError && lacksRights(error))
      return new Refused(
        "forbidden_namespace",
        `${error.message}; ${this.howToGrant(/in the namespace "([^"]+)"/.exec(error.message)?.[1] ?? "NAMESPACE")}`,
      );
    const what = error instanceof KubeError ? `refused (${error.status})` : "cannot be reached";
    return new Refused("cluster_unreachable", `the Kubernetes API ${what}: ${(error as Error).message}`);
  }

  private howToGrant(namespace: string): string {
    const { clusterRole, serviceAccount } = this.options;
    if (clusterRole === "" || serviceAccount === "")
      return "give the propagator's account pods (get, list, watch, create, delete) and events (list) there";
    return `try: kubectl create rolebinding propagator --namespace ${namespace} --clusterrole ${clusterRole} --serviceaccount ${serviceAccount}`;
  }
}

function podPath(namespace: string, name?: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

/** Whether the authorizer said no; admission, which forbids an object for what it is, says 403 too. */
function lacksRights({ status, message }: KubeError): boolean {
  return status === 403 && / cannot \w+ resource /.test(message);
}
