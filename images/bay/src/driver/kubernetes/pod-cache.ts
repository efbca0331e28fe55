import { EventEmitter } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../../../../common/src/logger";
import { type KubeClient, KubeError } from "../../../../common/src/kubernetes/client";
import type { Pod } from "./objects";

interface PodList {
  items: Pod[];
  metadata: { resourceVersion: string };
}
interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: Pod & { code?: number; message?: string };
}

/** The pods of this Bay instance, kept up to date by one list and one watch. */
export class PodCache {
  private readonly pods = new Map<string, Pod>();
  private readonly changes = new EventEmitter().setMaxListeners(0);
  private readonly stopped = new AbortController();
  private live = false;

  /** @param path The pod collection. @param selector Label selector of the pods to follow. */
  constructor(
    private readonly client: KubeClient,
    private readonly path: string,
    private readonly selector: string,
    private readonly log: Logger,
  ) {
    void this.follow();
  }

  /** The pod, from memory while the watch is up, else from the API server. */
  async get(name: string): Promise<Pod | undefined> {
    return this.live ? this.pods.get(name) : this.refresh(name);
  }

  /** All pods, from the API server. */
  async list(): Promise<Pod[]> {
    return (await this.fetchList()).items;
  }

  /** The pods that carry a label, from memory while the watch is up, else from the API server. */
  async labelled(key: string, value: string): Promise<Pod[]> {
    const pods = this.live ? [...this.pods.values()] : await this.list();
    return pods.filter(({ metadata }) => metadata.labels?.[key] === value);
  }

  /** Takes in a pod as a call to the API server has just returned it. */
  note(pod: Pod): void {
    this.set(pod);
  }

  /** Asks the API server for one pod. */
  async refresh(name: string): Promise<Pod | undefined> {
    try {
      const pod = await this.client.call<Pod>("GET", `${this.path}/${name}`);
      this.set(pod);
      return pod;
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 404)) throw error;
      this.remove(name);
      return undefined;
    }
  }

  /**
   * Waits until `done` gives a value for the pod and returns it; undefined when `timeoutMs` passed. Looks at each
   * change, and every two seconds at the API server itself, in case the watch is broken.
   */
  async until<T>(
    name: string,
    done: (pod: Pod | undefined) => T | undefined,
    timeoutMs: number,
  ): Promise<T | undefined> {
    const deadline = Date.now() + timeoutMs;
    let pod = await this.get(name).catch(() => this.pods.get(name));
    for (;;) {
      const result = done(pod);
      if (result !== undefined) return result;
      const left = deadline - Date.now();
      if (left <= 0) return undefined;
      const changed = await this.change(name, Math.min(left, 2_000));
      pod = changed ? this.pods.get(name) : await this.refresh(name).catch(() => this.pods.get(name));
    }
  }

  /** Ends the watch. */
  close(): void {
    this.stopped.abort();
  }

  private change(name: string, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const seen = (): void => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        this.changes.off(name, seen);
        resolve(false);
      }, timeoutMs);
      this.changes.once(name, seen);
    });
  }

  /**
   * An answer and the watch may cross: what is older than what is known (also of an earlier pod of that name) is
   * dropped.
   */
  private set(pod: Pod): void {
    const known = this.pods.get(pod.metadata.name);
    if (known && version(pod) < version(known)) return;
    this.pods.set(pod.metadata.name, pod);
    this.changes.emit(pod.metadata.name);
  }

  private remove(name: string): void {
    if (this.pods.delete(name)) this.changes.emit(name);
  }

  private fetchList(): Promise<PodList> {
    return this.client.call<PodList>("GET", `${this.path}?labelSelector=${encodeURIComponent(this.selector)}`);
  }

  /** Lists, then watches from there; what the server forgot (410) or a broken connection is listed again. */
  private async follow(): Promise<void> {
    let failures = 0;
    while (!this.stopped.signal.aborted) {
      try {
        const list = await this.fetchList();
        const present = new Set(list.items.map((pod) => pod.metadata.name));
        for (const pod of list.items) this.set(pod);
        for (const name of [...this.pods.keys()]) if (!present.has(name)) this.remove(name);
        let from: string | undefined = list.metadata.resourceVersion;
        while (from !== undefined && !this.stopped.signal.aborted) from = await this.watchFrom(from);
        failures = 0;
      } catch (error) {
        failures += 1;
        this.log.warn(
          { error: (error as Error).message, failures },
          "the watch of the session pods broke, trying again",
        );
      }
      await delay(Math.min(100 * 2 ** Math.min(failures, 6), 5_000), undefined, { signal: this.stopped.signal }).catch(
        () => undefined,
      );
    }
  }

  /** Follows changes until the server ends the watch; gives the version to go on from, undefined to list again. */
  private async watchFrom(from: string): Promise<string | undefined> {
    let reached: string | undefined = from;
    const query = new URLSearchParams({
      watch: "1",
      labelSelector: this.selector,
      resourceVersion: from,
      allowWatchBookmarks: "true",
      timeoutSeconds: "240",
    });
    const stream = await this.client.watch(`${this.path}?${query.toString()}`);
    stream.on("error", () => undefined); // a broken watch ends the loop below
    const stop = (): void => {
      stream.destroy();
    };
    this.stopped.signal.addEventListener("abort", stop, { once: true });
    this.live = true;
    try {
      for await (const line of createInterface({ input: stream })) {
        const { type, object } = JSON.parse(line) as WatchEvent;
        if (type === "ERROR") return undefined;
        reached = object.metadata.resourceVersion ?? reached;
        if (type === "DELETED") {
          if (this.pods.get(object.metadata.name)?.metadata.uid === object.metadata.uid)
            this.remove(object.metadata.name);
        } else if (type !== "BOOKMARK") this.set(object);
      }
    } finally {
      this.live = false;
      this.stopped.signal.removeEventListener("abort", stop);
      stream.destroy();
    }
    return reached;
  }
}

/** Resource versions of one kind are comparable numbers (guaranteed since Kubernetes 1.35, true before). */
const version = (pod: Pod): number => Number(pod.metadata.resourceVersion ?? 0);
