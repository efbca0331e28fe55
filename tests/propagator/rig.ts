import { openStackTarget, type OpenTarget } from "../../cli/propagator/target";
import type { ActionDetails } from "../../cli/propagator/types";
import { waitForCheckpoint, waitForRestore } from "../../cli/propagator/wait";
import { Node } from "../runtime/node";
import type { Make, Pod } from "../runtime/workloads";
import { readOutputs } from "../support/outputs";
import type { Scope } from "../support/scope";
import { notYet, waitFor } from "../support/wait";

/** Milliseconds; long, for busy hosts: nothing here is about time. */
const PATIENCE = { deadline: 120_000 };

/** A checkpoint and the action that made it. */
export interface Made {
  id: string;
  action: string;
  details: ActionDetails;
}

/** The propagator of the stack under test, and its node. */
export class Rig {
  private constructor(readonly node: Node, public target: OpenTarget, readonly namespace: string) {}

  /** @throws Error where the stack has none, and no test here could say anything */
  static async open(): Promise<Rig> {
    const outputs = await readOutputs();
    return new Rig(await Node.ofStack(), await openStackTarget("under test", outputs), outputs.checkpoint.namespace);
  }

  /** Opens the way anew, for a server that was replaced. */
  async reopen(): Promise<void> {
    await this.target.close();
    this.target = await openStackTarget("under test", await readOutputs());
  }

  close(): Promise<void> {
    return this.target.close();
  }

  /** A pod without the runtime's class: a checkpoint must not need it. */
  async make(scope: Scope, make: Make): Promise<Pod> {
    const pod = make(this.node.image, this.node.runtimeClass);
    const spec = Object.fromEntries(Object.entries(pod.spec).filter(([key]) => key !== "runtimeClassName"));
    return this.node.make(scope, { ...pod, spec: spec as unknown as Pod["spec"] });
  }

  async start(pod: Pod): Promise<string> {
    const { metadata: { uid } } = await this.node.state(pod);
    return this.target.client.checkpointPod({ pod_id: uid });
  }

  /** Waits for a checkpoint, which the scope removes. */
  async made(scope: Scope, action: string): Promise<Made> {
    const id = await waitForCheckpoint(this.target.client, action, PATIENCE);
    scope.add(`checkpoint ${id}`, () => this.target.client.deprecateCheckpoint(id));
    return { id, action, details: await this.target.client.action(action) };
  }

  async checkpoint(scope: Scope, pod: Pod): Promise<Made> {
    return this.made(scope, await this.start(pod));
  }

  /** Restores, and waits until the new pod is Ready; the scope removes it. */
  async restore(scope: Scope, { action }: Made, from: Pod): Promise<Pod> {
    const restore = await this.target.client.restorePod({ action_id: action, cluster_id: this.target.clusterId });
    const { details } = await waitForRestore(this.target.client, restore, PATIENCE);
    const { restored_pod: { name } } = details as { restored_pod: { name: string } };
    const pod: Pod = { ...from, metadata: { name } };
    scope.add(`pod ${name}`, () => this.node.remove(pod));
    return pod;
  }

  /** Ids of the checkpoints on the node. */
  async stored(): Promise<string[]> {
    const { value } = await this.node.runcCr("list");
    return (value as { checkpoints: { id: string }[] }).checkpoints.map(({ id }) => id);
  }

  /** Waits until a pod is gone. */
  async gone(name: string): Promise<void> {
    await waitFor(`the end of ${name}`, async () => {
      const found = await this.node.kubectl("get", "pod", name, "--ignore-not-found", "-o", "name");
      return found.trim() === "" || notYet("it is still there");
    }, PATIENCE);
  }

  /** Whether a pod is Ready, was never started again, and stays so for five seconds. */
  async staysReady(pod: Pod): Promise<{ ready: boolean; restarts: number }[]> {
    const seen: { ready: boolean; restarts: number }[] = [];
    for (let second = 0; second <= 5; second += 1) {
      const { status: { conditions, containerStatuses } } = await this.node.state(pod);
      seen.push({ ready: conditions?.find(({ type }) => type === "Ready")?.status === "True", restarts: containerStatuses![0]!.restartCount });
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // what is promised is a time
    }
    return seen;
  }
}
