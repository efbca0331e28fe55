import { processMark } from "../../../cli/clean-up/marks";
import { ROOT } from "../../../cli/paths";
import { LABELS, RUN_ANNOTATION, shorten } from "../../../infra/naming";
import type { Kube } from "../../support/kube";
import { notYet, waitFor } from "../../support/wait";

/** Milliseconds for the account that every pod of a new namespace needs. */
const ACCOUNT_WITHIN = 30_000;

/**
 * Creates a namespace for pods of tests. They run as root, which a cluster's own default may forbid. Its labels and its
 * annotations let a sweep find it after a run was killed.
 */
export async function makeNamespace(kube: Kube, name: string, stack: string | undefined): Promise<void> {
  const labels = {
    "pod-security.kubernetes.io/enforce": "privileged",
    [LABELS.tests]: "checkpoint",
    ...(stack ? { [LABELS.stack]: shorten(stack) } : {}),
  };
  await kube.create({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels, annotations: { [LABELS.checkout]: ROOT, [RUN_ANNOTATION]: processMark() } },
  });
  await waitFor(
    `the account of namespace ${name}`,
    async () => {
      const account = await kube.read({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "default", namespace: name },
      });
      return account !== undefined || notYet("it is not made yet");
    },
    { deadline: ACCOUNT_WITHIN },
  );
}
