import { EventEmitter, once, setMaxListeners } from "node:events";
import { deadlineSignal } from "./deadline";
import { Carrier } from "./forward-carrier";
import { ForwardError } from "./forward-error";
import { Kube, kubeProblem } from "./kube";
import { podReason } from "./pod-reason";
import { openPodStream, PORT_FORWARD_PROTOCOL, type PodStream } from "./pod-stream";
import { probe } from "./probe";
import { notYet, waitFor, WaitError } from "./wait";

/** What a forward leads to, and its times in milliseconds. A pod replaced by one of the same name is followed. */
export interface ForwardOptions {
  /** YAML text. */
  kubeconfig: string;
  namespace: string;
  pod: string;
  port: number;
  /** Until the first answer; then `openForward` gives up. Default 60 000. */
  readyWithin?: number;
  /**
   * How long a new connection is held while the forward reconnects; then it is refused with the reason. Default 20 000.
   */
  holdFor?: number;
  /** Between two checks while all is well. Default 2 000. */
  checkEvery?: number;
  /** Until one answer of the health path. Default 5 000. */
  probeWithin?: number;
  /** Path that answers 200 when the pod serves. Default `/health`. */
  healthPath?: string;
}

export type ForwardState = "opening" | "ready" | "lost" | "closed";

/** What a forward knows of itself; free of secrets. */
export interface ForwardStatus {
  state: ForwardState;
  /** Why it is not ready; absent when it is. */
  why?: string;
  url: string;
  pod: string;
  /** Times that the forward was lost and found again. */
  reconnects: number;
  /** Connections carried since the start, and now. */
  connections: { total: number; open: number };
  /** The last hundred changes, oldest first. */
  events: { at: string; what: string }[];
}

export interface Forward {
  /** `http://127.0.0.1:<port>`. */
  readonly url: string;
  readonly reconnects: number;
  status(): ForwardStatus;
  /** Tells of every change; gives the function that ends the telling. */
  onChange(listener: (status: ForwardStatus) => void): () => void;
  /** Ends everything: listener, connections, checks. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * Opens a port-forward to a pod and keeps it open: it listens on a free port of 127.0.0.1, proves the way with a
 * health probe before it reports ready and ever after, follows the pod when it is replaced, and reconnects when
 * the connection drops. It lives in this process alone, and once ready does not keep the process alive.
 * @throws ForwardError when the pod did not answer in time, or never can
 */
export async function openForward(options: ForwardOptions): Promise<Forward> {
  const forward = new SupervisedForward(options);
  try {
    await forward.open();
    return forward;
  } catch (error) {
    await forward.close();
    throw error;
  }
}

const DEFAULTS = { readyWithin: 60_000, holdFor: 20_000, checkEvery: 2_000, probeWithin: 5_000, healthPath: "/health" };
/** Pause between two checks while something is wrong. */
const RETRY_EVERY = 250;
/** Checks without an answer, in a row, after which a forward counts as lost. */
const PATIENCE = 3;

interface Problem {
  why: string;
  /** Nothing but a new pod can help. */
  hopeless?: boolean;
  /** The pod itself says so: no patience, and connections to it are dead. */
  certain?: boolean;
}

class SupervisedForward implements Forward {
  readonly #options: Required<ForwardOptions>;
  readonly #life = new AbortController();
  readonly #kube: Kube;
  readonly #carrier: Carrier;
  /** `change` with the status, `checked` after every check. */
  readonly #signals = new EventEmitter().setMaxListeners(0);
  #state: ForwardState = "opening";
  #problem: Problem | undefined = { why: "the first check is under way" };
  #uid: string | undefined;
  #misses = 0;
  #reconnects = 0;
  #events: ForwardStatus["events"] = [];
  #wake: () => void = () => undefined;
  #loop: Promise<void> | undefined;

  constructor(options: ForwardOptions) {
    this.#options = { ...DEFAULTS, ...options };
    // Every connection and every call listens for the end; how many there are at once is the client's choice.
    setMaxListeners(0, this.#life.signal);
    this.#kube = new Kube(options.kubeconfig, this.#life.signal);
    this.#carrier = new Carrier(
      {
        dial: () => this.#dial(),
        openBefore: (time) => this.#openBefore(time),
        why: () => this.#problem?.why ?? "the forward is closed",
        recheck: () => this.#recheck(),
        broke: (why) => this.#lose({ why, certain: true }),
      },
      this.#options.holdFor,
    );
  }

  async open(): Promise<void> {
    const { readyWithin, namespace, pod, port, healthPath } = this.#options;
    await this.#carrier.listen();
    this.#loop = this.#supervise();
    try {
      await waitFor(
        `port-forward to ${namespace}/${pod}:${port}`,
        () => this.#state === "ready" || notYet(this.status().why ?? ""),
        {
          deadline: readyWithin,
          interval: 20,
          died: () => (this.#problem?.hopeless ? this.#problem.why : undefined),
        },
      );
    } catch (error) {
      if (!(error instanceof WaitError)) throw error;
      const log = await this.#kube.log(namespace, pod, { tailLines: 20 }).catch(() => "");
      throw new ForwardError({
        target: this.#options,
        why: error.why,
        wanted: `an answer of ${healthPath} within ${readyWithin / 1000} s`,
        log,
      });
    }
    this.#carrier.unref();
  }

  get url(): string {
    return this.#carrier.url;
  }

  get reconnects(): number {
    return this.#reconnects;
  }

  status(): ForwardStatus {
    return {
      state: this.#state,
      ...(this.#problem ? { why: this.#problem.why } : {}),
      url: this.url,
      pod: `${this.#options.namespace}/${this.#options.pod}`,
      reconnects: this.#reconnects,
      connections: this.#carrier.connections,
      events: [...this.#events],
    };
  }

  onChange(listener: (status: ForwardStatus) => void): () => void {
    this.#signals.on("change", listener);
    return () => void this.#signals.off("change", listener);
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    this.#become("closed", { why: "the forward was closed" });
    this.#life.abort();
    this.#wake();
    await Promise.all([this.#loop, this.#carrier.close()]);
  }

  /** Checks until the end: at leisure while all is well, quickly while not, at once when something broke. */
  async #supervise(): Promise<void> {
    while (!this.#life.signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const problem = await this.#check();
      if (this.#life.signal.aborted) return;
      this.#judge(problem);
      this.#signals.emit("checked");
      await this.#pause(woken, problem ? RETRY_EVERY : this.#options.checkEvery);
    }
  }

  #judge(problem: Problem | undefined): void {
    this.#misses = problem ? this.#misses + 1 : 0;
    if (!problem) this.#become("ready");
    else if (this.#state !== "ready" || problem.certain || this.#misses >= PATIENCE) this.#lose(problem);
  }

  async #check(): Promise<Problem | undefined> {
    const { namespace, pod: name, healthPath, probeWithin } = this.#options;
    try {
      const pod = await this.#kube.pod(namespace, name);
      const reason = podReason(name, pod);
      if (reason) return { ...reason, certain: true };
      const uid = pod?.metadata?.uid;
      if (this.#uid !== undefined && uid !== this.#uid)
        this.#lose({ why: `pod ${name} was replaced by a new one`, certain: true });
      this.#uid = uid;
    } catch (error) {
      return { why: kubeProblem(error) };
    }
    const why = await probe(() => this.#dial(), healthPath, probeWithin);
    return why === undefined ? undefined : { why };
  }

  #dial(): Promise<PodStream> {
    const { namespace, pod, port, probeWithin } = this.#options;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward?ports=${port}`;
    return openPodStream(
      this.#kube.connect(path, [PORT_FORWARD_PROTOCOL], { handshakeTimeout: probeWithin }),
      this.#life.signal,
    );
  }

  async #openBefore(time: number): Promise<boolean> {
    const late = deadlineSignal(Math.max(0, time - Date.now()), this.#life.signal);
    while (this.#state !== "ready" && !late.aborted)
      await once(this.#signals, "change", { signal: late }).catch(() => undefined);
    return this.#state === "ready";
  }

  async #recheck(): Promise<void> {
    this.#wake();
    await once(this.#signals, "checked", { signal: this.#life.signal }).catch(() => undefined);
  }

  /** The way is not open. What runs over a way that is certainly gone ends now; the next check comes at once. */
  #lose(problem: Problem): void {
    if (this.#state === "closed") return;
    const wasReady = this.#state === "ready";
    this.#become(wasReady ? "lost" : this.#state, problem);
    if (problem.certain) this.#carrier.cut();
    if (wasReady) this.#wake();
  }

  #become(state: ForwardState, problem?: Problem): void {
    const changed = state !== this.#state || problem?.why !== this.#problem?.why;
    if (state === "ready" && this.#state === "lost") this.#reconnects += 1;
    this.#state = state;
    this.#problem = problem;
    if (!changed) return;
    this.#events = [
      ...this.#events,
      { at: new Date().toISOString(), what: problem ? `${state}: ${problem.why}` : state },
    ].slice(-100);
    this.#signals.emit("change", this.status());
  }

  async #pause(woken: Promise<void>, ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      woken,
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms);
        if (this.#state !== "opening") timer.unref();
      }),
    ]);
    clearTimeout(timer);
  }
}
