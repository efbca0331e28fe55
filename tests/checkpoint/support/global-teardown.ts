import { inventory, leftovers } from "../../support/leftovers";
import { Kube } from "../../support/kube";
import { isListing } from "../../support/listing";
import { notYet, waitFor } from "../../support/wait";
import { readSession, withdrawSession } from "./session";
import type { KubernetesObject } from "@kubernetes/client-node";
import { openPropagator } from "./propagator";

/** Milliseconds that an empty namespace may take to go. */
const GONE_WITHIN = 60_000;

/** Once per run: no pod, claim or checkpoint of the tests may be left; then their namespace is removed. */
export default async function globalTeardown(): Promise<void> {
  const session = readSession();
  withdrawSession();
  if (isListing() || session.lacking !== undefined) return;
  const { kubeconfig, namespace } = session;
  const kube = new Kube(kubeconfig);
  const left = await leftovers(kube, namespace, new Map()).catch(async () => [
    ...(await inventory(kube, namespace)).keys(),
  ]);
  const checkpoints = await checkpointsOf(namespace, session.outputs);
  await kube.remove({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await waitFor(
    `the end of namespace ${namespace}`,
    async () => {
      const found = await kube.read<KubernetesObject & { status?: { conditions?: { message?: string }[] } }>({
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: namespace },
      });
      return (
        found === undefined ||
        notYet(found.status?.conditions?.map(({ message }) => message).join("; ") ?? "it is still there")
      );
    },
    { deadline: GONE_WITHIN },
  );
  if (left.length + checkpoints.length === 0) return;
  const error = new Error(
    `The tests left in namespace ${namespace}:\n${[...left, ...checkpoints].map((name) => `  ${name}`).join("\n")}`,
  );
  error.stack = error.message;
  throw error;
}

/** Checkpoints of the tests' pods; a propagator that does not tell their namespaces is believed. */
async function checkpointsOf(namespace: string, outputs: Parameters<typeof openPropagator>[0]): Promise<string[]> {
  const { client, close } = await openPropagator(outputs);
  try {
    return (await client.checkpoints())
      .filter((each) => each.namespace === namespace && each.status === "ready")
      .map(({ id }) => `checkpoint/${id}`);
  } finally {
    await close();
  }
}
