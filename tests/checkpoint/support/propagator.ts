import { PropagatorClient } from "../../../cli/propagator/client";
import { requireTarget } from "../../../cli/propagator/environment";
import type { StackOutputs } from "../../../infra/outputs";
import { Kube } from "../../support/kube";
import { openForward } from "../../support/port-forward";
import { notYet, waitFor } from "../../support/wait";

/** Milliseconds until the propagator has a pod that serves. */
const SERVES_WITHIN = 60_000;

/** A propagator that can be called until it is closed. */
export interface Way {
  url: string;
  token: string;
  clusterId?: string;
  client: PropagatorClient;
  close(): Promise<void>;
}

/**
 * The propagator under test: the stack's, by a port-forward where its address is none, or without a stack the one that
 * the environment names. Loads nothing later on, as Jest's environments could not.
 */
export async function openPropagator(outputs: StackOutputs | undefined): Promise<Way> {
  if (!outputs) return wayTo(requireTarget(), () => Promise.resolve());
  const {
    kubeconfig,
    propagatorToken: token,
    checkpoint: { url, forward, namespace, clusterId },
  } = outputs;
  if (!forward) return wayTo({ url, token, clusterId }, () => Promise.resolve());
  const pod = await servingPod(new Kube(kubeconfig), namespace, forward.selector);
  const open = await openForward({ kubeconfig, namespace, pod, port: forward.port, healthPath: "/healthz" });
  return wayTo({ url: open.url, token, clusterId }, () => open.close());
}

function wayTo(target: { url: string; token: string; clusterId?: string }, close: () => Promise<void>): Way {
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

async function servingPod(kube: Kube, namespace: string, selector: string): Promise<string> {
  return waitFor(
    `a ready pod of ${selector} in ${namespace}`,
    async () => {
      const pods = await kube.pods(namespace, selector);
      const ready = pods.find(
        ({ metadata, status }) =>
          !metadata?.deletionTimestamp &&
          status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True"),
      );
      return (
        ready?.metadata?.name ??
        notYet(
          pods.map(({ metadata, status }) => `${metadata?.name} is ${status?.phase}`).join(", ") || "there is none",
        )
      );
    },
    { deadline: SERVES_WITHIN },
  );
}
