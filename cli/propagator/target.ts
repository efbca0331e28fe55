import type { StackOutputs } from "../../infra/outputs";
import { saysReady } from "../../infra/support/conditions";
import { UserError } from "../../infra/support/errors";
import { openKubeApi } from "../../infra/support/kube-api";
import { PropagatorClient } from "./client";
import { type Target, targetOfEnvironment } from "./environment";

/** A propagator that can be called until it is closed. */
export interface OpenTarget extends Target {
  client: PropagatorClient;
  close(): Promise<void>;
}

type Outputs = Pick<StackOutputs, "kubeconfig" | "checkpoint" | "propagatorToken">;

/**
 * The propagator of the environment, when it names one and the user named no stack; else that of a stack.
 * @param stack gives the outputs of the stack that is meant, with its name
 * @throws UserError E_PROPAGATOR_TARGET when the stack has none
 */
export async function openTarget(
  named: string | undefined,
  stack: () => Promise<{ name: string; outputs: StackOutputs }>,
): Promise<OpenTarget> {
  const target = named === undefined ? targetOfEnvironment() : undefined;
  if (target) return opened(target, () => Promise.resolve());
  const { name, outputs } = await stack();
  return openStackTarget(name, outputs);
}

/** As `openTarget`, of a stack's outputs; where the way is a port-forward it is open until `close`. */
export async function openStackTarget(
  stack: string,
  { kubeconfig, checkpoint, propagatorToken }: Outputs,
): Promise<OpenTarget> {
  if (checkpoint.url === "" && !checkpoint.forward) {
    throw new UserError("E_PROPAGATOR_TARGET", {
      seen: `stack ${stack} has no propagator: ${checkpoint.reason}`,
      wanted: "a stack with checkpoints, or CEDANA_AUTH_TOKEN",
      next: `pulumi config set checkpoint true --stack ${stack} && npm run up -- --stack ${stack}`,
    });
  }
  const known = { token: propagatorToken, clusterId: checkpoint.clusterId, origin: `stack ${stack}` };
  if (!checkpoint.forward) return opened({ ...known, url: checkpoint.url }, () => Promise.resolve());
  const {
    namespace,
    forward: { selector, port },
  } = checkpoint;
  const pod = await readyPod(kubeconfig, namespace, selector);
  const { openForward } = await import("../../tests/support/port-forward");
  const forward = await openForward({ kubeconfig, namespace, pod, port, healthPath: "/healthz" });
  return opened({ ...known, url: forward.url }, () => forward.close());
}

function opened(target: Target, close: () => Promise<void>): OpenTarget {
  const client = new PropagatorClient(target);
  return {
    ...target,
    client,
    close: async () => {
      client.close();
      await close();
    },
  };
}

interface Pods {
  items: { metadata: { name: string }; status?: { conditions?: { type: string; status: string }[] } }[];
}

async function readyPod(kubeconfig: string, namespace: string, selector: string): Promise<string> {
  const api = await openKubeApi(kubeconfig);
  try {
    const pods =
      (await api.get<Pods>(`/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(selector)}`))
        ?.items ?? [];
    const ready = pods.find(({ status }) => saysReady(status));
    if (ready) return ready.metadata.name;
    throw new UserError("E_PROPAGATOR_TARGET", {
      seen:
        pods.length === 0
          ? `no pod of the propagator in namespace ${namespace}`
          : `pod ${pods[0]!.metadata.name} of the propagator is not ready`,
      wanted: "a propagator that serves",
      next: "npm run up",
    });
  } finally {
    api.close();
  }
}
