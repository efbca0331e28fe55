import { randomUUID } from "node:crypto";
import { execa } from "execa";
import { readOutputs } from "../support/outputs";
import type { Scope } from "../support/scope";
import { notYet, waitFor } from "../support/wait";
import type { Make, Pod } from "./workloads";

/** Milliseconds that a pod may take to be ready, or to fail; long, for busy hosts: nothing here is about time. */
const SOON = 60_000;

/** Milliseconds for one command on a node. */
const COMMAND = 60_000;

/** How the node's tool ended. */
export interface Answer {
  exitCode: number;
  /** What stood on stdout, or nothing. */
  value?: Record<string, unknown>;
  /** What stood on stderr, or nothing. */
  failure?: { code: string; message: string; criu: string[] };
}

interface PodState {
  metadata: { uid: string };
  spec: { nodeName: string };
  status: { phase: string; podIP?: string; conditions?: { type: string; status: string }[]; containerStatuses?: { containerID?: string; restartCount: number; ready: boolean }[] };
}

/** A node of the stack under test, as a container of this host, and what the tests do on it. */
export class Node {
  private constructor(readonly container: string, readonly image: string, readonly runtimeClass: string) {}

  /** @throws Error where the stack has no such node, and no test here could say anything */
  static async ofStack(): Promise<Node> {
    const { backend, cluster, images, checkpointRuntimeClass } = await readOutputs();
    if (checkpointRuntimeClass === "") throw new Error(`the stack's configuration has no checkpoints (backend ${backend}): wanted a stack of k3s or kind with checkpoint: auto or true`);
    return new Node(backend === "kind" ? `${cluster.name}-control-plane` : cluster.name, images.ship.reference, checkpointRuntimeClass);
  }

  /** Runs a command on the node. @throws Error unless it ends well */
  async run(argv: readonly string[], input?: string): Promise<string> {
    const { exitCode, stdout, stderr } = await execa("docker", ["exec", ...(input === undefined ? [] : ["-i"]), this.container, ...argv], { reject: false, timeout: COMMAND, ...(input === undefined ? { stdin: "ignore" } : { input }) });
    if (exitCode !== 0) throw new Error(`${argv.slice(0, 6).join(" ")}: ${stderr || stdout}`);
    return stdout;
  }

  kubectl(...argv: string[]): Promise<string> {
    return this.run(["kubectl", ...argv]);
  }

  /** Calls the node's tool. */
  async runcCr(...words: string[]): Promise<Answer> {
    const { exitCode, stdout, stderr } = await execa("docker", ["exec", this.container, "runc-cr", ...words], { reject: false, timeout: COMMAND, stdin: "ignore" });
    const parsed = <T>(text: string) => (text.trim() === "" ? undefined : JSON.parse(text) as T);
    const [value, failure] = [parsed<Record<string, unknown>>(stdout), parsed<NonNullable<Answer["failure"]>>(stderr)];
    return { exitCode, ...(value ? { value } : {}), ...(failure ? { failure } : {}) };
  }

  /** Makes a pod that the scope removes. */
  async make(scope: Scope, pod: Pod | Make): Promise<Pod> {
    const made = typeof pod === "function" ? pod(this.image, this.runtimeClass) : pod;
    scope.add(`pod ${made.metadata.name}`, () => this.remove(made));
    await this.run(["kubectl", "apply", "-f", "-"], JSON.stringify(made));
    return made;
  }

  async remove(pod: Pod): Promise<void> {
    await this.kubectl("delete", "pod", pod.metadata.name, "--ignore-not-found", "--wait=true");
  }

  async state(pod: Pod): Promise<PodState> {
    return JSON.parse(await this.kubectl("get", "pod", pod.metadata.name, "-o", "json")) as PodState;
  }

  async ready(pod: Pod): Promise<PodState> {
    return waitFor(`readiness of ${pod.metadata.name}`, async () => {
      const state = await this.state(pod);
      return state.status.conditions?.find(({ type }) => type === "Ready")?.status === "True" ? state : notYet(`it is ${state.status.phase}: ${(await this.events(pod)).at(-1) ?? "no events"}`);
    }, { deadline: SOON });
  }

  /** Messages of a pod's events. */
  async events(pod: Pod): Promise<string[]> {
    const { items } = JSON.parse(await this.kubectl("get", "events", "--field-selector", `involvedObject.name=${pod.metadata.name}`, "-o", "json")) as { items: { message: string }[] };
    return items.map(({ message }) => message);
  }

  /** Waits until an event of a pod says something. */
  event(pod: Pod, pattern: RegExp): Promise<string> {
    return waitFor(`an event of ${pod.metadata.name} with ${pattern.source}`, async () => {
      const events = await this.events(pod);
      return events.find((message) => pattern.test(message)) ?? notYet(`its events say: ${events.join(" / ") || "nothing"}`);
    }, { deadline: SOON });
  }

  /** The answer of a pod's server on port 8080. */
  ask(pod: Pod): Promise<string> {
    return this.kubectl("get", "--raw", `/api/v1/namespaces/default/pods/${pod.metadata.name}:8080/proxy/`);
  }

  /** Waits for a line of a pod's log. */
  logged(pod: Pod, pattern: RegExp): Promise<string> {
    return waitFor(`a line ${pattern.source} in the log of ${pod.metadata.name}`, async () => {
      const { phase } = (await this.state(pod)).status;
      if (phase === "Pending") return notYet("the pod has not started");
      const lines = (await this.kubectl("logs", pod.metadata.name)).split("\n");
      return lines.filter((line) => pattern.test(line)).at(-1) ?? notYet(`the last of ${lines.length} lines is "${lines.at(-2) ?? ""}"`);
    }, { deadline: SOON });
  }

  async exec(pod: Pod, ...argv: string[]): Promise<string> {
    return (await this.kubectl("exec", pod.metadata.name, "--", ...argv)).trim();
  }

  async containerOf(pod: Pod): Promise<string> {
    return (await this.state(pod)).status.containerStatuses![0]!.containerID!.replace("containerd://", "");
  }

  /** Dumps a pod's container; the scope removes the checkpoint. */
  async dump(scope: Scope, pod: Pod, ...more: string[]): Promise<Answer & { id: string }> {
    const id = randomUUID();
    scope.add(`checkpoint ${id}`, () => this.runcCr("remove", id));
    return { id, ...await this.runcCr("dump", "--container", await this.containerOf(pod), "--id", id, ...more) };
  }

  /** Dumps what must be possible to dump. */
  async checkpoint(scope: Scope, pod: Pod): Promise<{ id: string; manifest: Record<string, unknown> }> {
    const { id, value, failure } = await this.dump(scope, pod);
    if (!value) throw new Error(`dump of ${pod.metadata.name}: ${JSON.stringify(failure)}`);
    return { id, manifest: value };
  }
}
