import { PropagatorClient } from "../../../cli/propagator/client";
import { findCluster } from "../../../cli/propagator/environment";
import type { ActionDetails } from "../../../cli/propagator/types";
import { ActionError, waitForCheckpoint, waitForRestore } from "../../../cli/propagator/wait";
import { lacks } from "../../support/lacking";
import { OUTSIDE, type Outside } from "../../support/outside";
import { Scope } from "../../support/scope";
import { notYet, waitFor } from "../../support/wait";
import { Node } from "./node";
import { Pods } from "./pods";
import { type CheckpointSession, readSession } from "./session";
import type { Make, Pod } from "./workloads";

/** Milliseconds; long, for busy hosts: nothing here is about time. */
const PATIENCE = { deadline: 110_000 };

/** What a test gets from outside its module registry: ways, and no classes, of which the registry has its own. */
export interface CheckpointOutside extends Pick<Outside, "kube" | "openForward"> {
  openPropagator(): Promise<{ url: string; token: string; clusterId?: string; close(): Promise<void> }>;
}

/** A checkpoint and the action that made it. */
export interface Made {
  id: string;
  action: string;
  details: ActionDetails;
}

/** The rig of a file: opened before its tests, closed after them. */
export function useRig(): { rig: () => Rig; scope: () => Scope } {
  let rig: Rig | undefined;
  let scope = new Scope();
  beforeAll(async () => {
    rig = await Rig.open();
  });
  afterAll(() => rig?.close());
  beforeEach(() => {
    scope = new Scope();
  });
  afterEach(() => scope.close());
  return { rig: () => rig!, scope: () => scope };
}

/** The propagator under test and the cluster that it is of. Only `node` needs a stack of ours. */
export class Rig {
  readonly pods: Pods;
  #way: Awaited<ReturnType<CheckpointOutside["openPropagator"]>>;

  private constructor(
    readonly session: CheckpointSession,
    way: Awaited<ReturnType<CheckpointOutside["openPropagator"]>>,
    public client: PropagatorClient,
    readonly clusterId: string,
    readonly isLocal: boolean,
  ) {
    this.#way = way;
    this.pods = new Pods(outside().kube(session.kubeconfig), session.namespace);
  }

  /** Ends the tests as named skips where there is no propagator. */
  static async open(): Promise<Rig> {
    const session = readSession();
    if (session.lacking !== undefined) lacks(session.lacking);
    const way = await outside().openPropagator();
    const client = new PropagatorClient(way);
    const { id } = await findCluster(client, way.clusterId);
    // What only the propagator of this repository promises is asked of it alone.
    return new Rig(session, way, client, id, (await client.user()) === "local");
  }

  get target(): { url: string; token: string } {
    return this.#way;
  }

  /** Opens the way anew, for a server that was replaced. */
  async reopen(): Promise<void> {
    await this.close();
    this.#way = await outside().openPropagator();
    this.client = new PropagatorClient(this.#way);
  }

  async close(): Promise<void> {
    this.client.close();
    await this.#way.close();
  }

  /** The node, for breaking things on it. Ends the test as a named skip where it is out of reach. */
  get node(): Node {
    return Node.of(this.session.outputs, this.pods, this.session.image);
  }

  /** Makes a pod without the runtime's class: a checkpoint must not need it. */
  make(scope: Scope, make: Make): Promise<Pod> {
    return this.pods.make(scope, make(this.session.image));
  }

  async start(pod: Pod): Promise<string> {
    const { metadata } = await this.pods.state(pod);
    return this.client.checkpointPod({
      pod_id: metadata!.uid!,
      pod_name: pod.metadata.name,
      namespace: this.pods.namespace,
      cluster_id: this.clusterId,
    });
  }

  /** Waits for a checkpoint, which the scope removes. */
  async made(scope: Scope, action: string): Promise<Made> {
    const id = await waitForCheckpoint(this.client, action, PATIENCE);
    scope.add(`checkpoint ${id}`, () => this.client.deprecateCheckpoint(id));
    return { id, action, details: await this.client.action(action) };
  }

  async checkpoint(scope: Scope, pod: Pod): Promise<Made> {
    return this.made(scope, await this.start(pod));
  }

  /**
   * Restores, and waits until the new pod is Ready; the scope removes it. @param pods of the namespace, by default the
   * tests' own
   */
  async restore(scope: Scope, { action }: Pick<Made, "action">, from: Pod, pods = this.pods): Promise<Pod> {
    const before = new Set((await restoredFrom(pods, from)).map(({ uid }) => uid));
    const restore = await this.client.restorePod({ action_id: action, cluster_id: this.clusterId });
    const { details } = await waitForRestore(this.client, restore, PATIENCE);
    const told = (details as { restored_pod?: { name: string } } | null | undefined)?.restored_pod?.name;
    const name =
      told ??
      (await waitFor(
        `a pod restored from ${from.metadata.name}`,
        async () =>
          (await restoredFrom(pods, from)).find(({ uid }) => !before.has(uid))?.name ?? notYet("there is none"),
        PATIENCE,
      ));
    const pod: Pod = { ...from, metadata: { name } };
    scope.add(`pod ${name}`, () => pods.remove(pod));
    await pods.ready(pod);
    return pod;
  }

  /** Whether a pod is Ready, was never started again, and stays so for five seconds. */
  async staysReady(pod: Pod): Promise<{ ready: boolean; restarts: number }[]> {
    const seen: { ready: boolean; restarts: number }[] = [];
    for (let second = 0; second <= 5; second += 1) {
      if (second > 0) await new Promise((resolve) => setTimeout(resolve, 1_000)); // what is promised is a time
      seen.push(await this.pods.health(pod));
    }
    return seen;
  }
}

/** What `staysReady` gives of a pod that is well. */
export const WELL = Array<object>(6).fill({ ready: true, restarts: 0 });

/** How a call was refused. */
export function refusalOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "it was not refused",
    ({ status, reason }: { status: number; reason?: string }) =>
      reason === undefined ? String(status) : `${status} ${reason}`,
  );
}

/** How an action failed. @throws Error when it did not */
export function failureOf(wait: Promise<unknown>): Promise<ActionError> {
  return wait.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => {
      if (error instanceof ActionError) return error;
      throw error;
    },
  );
}

/** A restored pod's name contains the old one's, without what an earlier restore put there, and the word `restored`. */
async function restoredFrom(
  { kube, namespace }: Pods,
  { metadata: { name } }: Pod,
): Promise<{ name: string; uid: string }[]> {
  const stem = name.replace(/-restored.*$/, "");
  const named = (await kube.pods(namespace)).map(({ metadata }) => ({ name: metadata!.name!, uid: metadata!.uid! }));
  return named.filter((each) => each.name !== name && each.name.includes(stem) && each.name.includes("restored"));
}

/** What the project's environment gives. @throws Error outside it */
export function outside(): CheckpointOutside {
  const found = (globalThis as Record<string, unknown>)[OUTSIDE] as CheckpointOutside | undefined;
  if (!found) throw new Error("this test needs the checkpoint project: its environment gives access to the cluster");
  return found;
}
