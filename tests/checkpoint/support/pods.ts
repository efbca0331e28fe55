import type { V1Pod } from "@kubernetes/client-node";
import type { Kube } from "../../support/kube";
import type { Scope } from "../../support/scope";
import { notYet, waitFor } from "../../support/wait";
import type { Pod } from "./workloads";

/**
 * Milliseconds that a pod may take to be ready, to fail, or to go; long, for busy hosts: nothing here is about time.
 */
const SOON = 90_000;

/** The pods of the tests, by the Kubernetes API alone. */
export class Pods {
  constructor(
    readonly kube: Kube,
    readonly namespace: string,
  ) {}

  /** Makes a pod that the scope removes. */
  async make(scope: Pick<Scope, "add">, pod: Pod): Promise<Pod> {
    scope.add(`pod ${pod.metadata.name}`, () => this.remove(pod));
    await this.kube.createPod(this.namespace, pod as unknown as V1Pod);
    return pod;
  }

  /** Deletes a pod, and waits until it is gone. */
  async remove({ metadata: { name } }: Pod): Promise<void> {
    await this.kube.deletePod(this.namespace, name);
    await this.gone(name);
  }

  /** Waits until a pod is gone. */
  async gone(name: string): Promise<void> {
    await waitFor(
      `the end of ${name}`,
      async () => {
        const pod = await this.kube.pod(this.namespace, name);
        return pod === undefined || notYet(`it is ${pod.status?.phase}`);
      },
      { deadline: SOON },
    );
  }

  /** @throws Error where there is none */
  async state({ metadata: { name } }: Pod): Promise<V1Pod> {
    const pod = await this.kube.pod(this.namespace, name);
    if (!pod) throw new Error(`there is no pod ${name}`);
    return pod;
  }

  ready(pod: Pod): Promise<V1Pod> {
    return waitFor(
      `readiness of ${pod.metadata.name}`,
      async () => {
        const state = await this.state(pod);
        return isReady(state)
          ? state
          : notYet(`it is ${state.status?.phase}: ${(await this.events(pod)).at(-1) ?? "no events"}`);
      },
      { deadline: SOON },
    );
  }

  /** Whether a pod is Ready, and how often its containers were started again. */
  async health(pod: Pod): Promise<{ ready: boolean; restarts: number }> {
    const state = await this.state(pod);
    return {
      ready: isReady(state),
      restarts: (state.status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
    };
  }

  /** Messages of a pod's events. */
  async events({ metadata: { name } }: Pod): Promise<string[]> {
    return (await this.kube.events(this.namespace))
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ message }) => message ?? "");
  }

  /** Waits until an event of a pod says something. */
  event(pod: Pod, pattern: RegExp): Promise<string> {
    return waitFor(
      `an event of ${pod.metadata.name} with ${pattern.source}`,
      async () => {
        const events = await this.events(pod);
        return (
          events.find((message) => pattern.test(message)) ??
          notYet(`its events say: ${events.join(" / ") || "nothing"}`)
        );
      },
      { deadline: SOON },
    );
  }

  /** The answer of a pod's server on port 8080. */
  ask(pod: Pod): Promise<string> {
    return this.kube.answerOf(this.namespace, pod.metadata.name, 8080);
  }

  log(pod: Pod): Promise<string> {
    return this.kube.log(this.namespace, pod.metadata.name);
  }

  /** Lines of a pod's log that fit. */
  async lines(pod: Pod, pattern: RegExp): Promise<string[]> {
    return (await this.log(pod)).split("\n").filter((line) => pattern.test(line));
  }

  /** Waits for a line of a pod's log, and gives the last that fits. */
  logged(pod: Pod, pattern: RegExp): Promise<string> {
    return waitFor(
      `a line ${pattern.source} in the log of ${pod.metadata.name}`,
      async () => {
        const { status } = await this.state(pod);
        if (status?.phase === "Pending")
          return notYet(`the pod has not started: ${(await this.events(pod)).at(-1) ?? "no events"}`);
        return (await this.lines(pod, pattern)).at(-1) ?? notYet("it is not there");
      },
      { deadline: SOON },
    );
  }

  /** Runs a command in a pod's container; what it printed, without white space around it. */
  async exec(pod: Pod, ...command: string[]): Promise<string> {
    return (
      await this.kube.exec(this.namespace, pod.metadata.name, pod.spec.containers[0]["name"] as string, command)
    ).trim();
  }
}

function isReady({ status }: V1Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
}
