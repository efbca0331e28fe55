import { PropagatorClient } from "../../../cli/propagator/client";
import type { ActionDetails } from "../../../cli/propagator/types";
import { waitForCheckpoint, waitForRestore } from "../../../cli/propagator/wait";
import { admitPropagators } from "../../checkpoint/support/access";
import { makeNamespace } from "../../checkpoint/support/namespace";
import { Node } from "../../checkpoint/support/node";
import { Pods } from "../../checkpoint/support/pods";
import type { Make, Pod } from "../../checkpoint/support/workloads";
import { lacks } from "../../support/lacking";
import { uniqueName } from "../../support/names";
import { outside } from "../../support/outside";
import { Scope } from "../../support/scope";
import { readSession } from "../../support/session";
import { notYet, waitFor } from "../../support/wait";
import type { HostileOutside } from "./environment";

/** Milliseconds; long, for busy hosts. */
const PATIENCE = { deadline: 60_000 };

/**
 * What attacks on a node work with: pods in a namespace of the file's own, the node that they run on, and the
 * propagator.
 */
export interface NodeRig {
  pods: Pods;
  node: Node;
  /** Makes a pod of an image with Python, without the runtime's class. */
  make(make: Make): Promise<Pod>;
  /** Checkpoints a pod by the propagator's API. */
  checkpoint(pod: Pod): Promise<{ id: string; action: string }>;
  /** Restores a checkpoint, and waits until the new pod is ready. */
  restore(action: string, from: Pod): Promise<Pod>;
}

/** The rig of a file; what a test makes is removed after it, the namespace after the last one. */
export function useNodeRig(): () => NodeRig {
  const file = new Scope();
  let test = new Scope();
  let rig: NodeRig | undefined;
  beforeAll(async () => {
    rig = await open(file, { add: (name, cleanup) => test.add(name, cleanup) });
  });
  beforeEach(() => {
    test = new Scope();
  });
  afterEach(() => test.close());
  afterAll(() => file.close());
  return () => rig!;
}

async function open(file: Scope, scope: Pick<Scope, "add">): Promise<NodeRig> {
  const { outputs } = readSession();
  if (outputs.checkpoint.source !== "propagator")
    lacks(`the propagator of this repository (${outputs.checkpoint.reason})`);
  const kube = outside().kube(outputs.kubeconfig);
  const namespace = uniqueName("checkpoint-tests");
  file.add(`namespace ${namespace}`, async () => {
    const header = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
    await kube.remove(header);
    await waitFor(
      `the end of namespace ${namespace}`,
      async () => (await kube.read(header)) === undefined || notYet("it is still there"),
      PATIENCE,
    );
  });
  await makeNamespace(kube, namespace, process.env["BAY_E2E_STACK"]);
  await admitPropagators(kube, namespace, outputs.checkpoint.namespace);
  const way = await (outside() as HostileOutside).openPropagator();
  file.add("the way to the propagator", () => way.close());
  const client = new PropagatorClient(way);
  file.add("the propagator's client", () => {
    client.close();
    return Promise.resolve();
  });
  const pods = new Pods(kube, namespace);
  const image = outputs.images.ship.reference;
  return {
    pods,
    node: Node.of(outputs, pods, image),
    make: (make) => pods.make(scope, make(image)),
    checkpoint: async (pod) => {
      const { metadata } = await pods.state(pod);
      const action = await client.checkpointPod({
        pod_id: metadata!.uid!,
        pod_name: pod.metadata.name,
        namespace,
        cluster_id: way.clusterId,
      });
      const id = await waitForCheckpoint(client, action, PATIENCE);
      scope.add(`checkpoint ${id}`, () => client.deprecateCheckpoint(id));
      return { id, action };
    },
    restore: async (action, from) => {
      const restore = await client.restorePod({ action_id: action, cluster_id: way.clusterId });
      const { details } = await waitForRestore(client, restore, PATIENCE);
      const pod: Pod = { ...from, metadata: { name: restoredPod(details) } };
      scope.add(`pod ${pod.metadata.name}`, () => pods.remove(pod));
      await pods.ready(pod);
      return pod;
    },
  };
}

function restoredPod(details: ActionDetails["details"]): string {
  return (details as { restored_pod: { name: string } }).restored_pod.name;
}
