import { processMark } from "../../../cli/clean-up/marks";
import { ROOT } from "../../../cli/paths";
import { LABELS, RUN_ANNOTATION, shorten } from "../../../infra/naming";
import { SECRET_OUTPUTS } from "../../../infra/outputs";
import { Kube } from "../../support/kube";
import { isListing, LISTING } from "../../support/listing";
import { runFolder, writeArtifact } from "../../support/run-folder";
import { notYet, waitFor } from "../../support/wait";
import { admitPropagators } from "./access";
import { findSession } from "./find-session";
import { publishSession } from "./session";

/** Milliseconds for the account that every pod of a new namespace needs. */
const ACCOUNT_WITHIN = 30_000;

/** Once per run of the checkpoint project: says what is tested, and makes the namespace that all of its pods are in. */
export default async function globalSetup(): Promise<void> {
  if (isListing()) return publishSession({ kubeconfig: LISTING.outputs.kubeconfig, namespace: "none", image: "none", outputs: LISTING.outputs });
  runFolder();
  const session = await findSession();
  const { lacking, kubeconfig, namespace, outputs } = session;
  if (outputs) writeArtifact("stack.json", Object.fromEntries(Object.entries(outputs).filter(([key]) => !(SECRET_OUTPUTS as readonly string[]).includes(key))));
  if (lacking === undefined) {
    const kube = new Kube(kubeconfig);
    await makeNamespace(kube, namespace, outputs ? process.env["BAY_E2E_STACK"] : undefined);
    await admitPropagators(kube, namespace, outputs?.checkpoint.namespace);
  }
  publishSession(session);
}

/** The tests' pods run as root, which a cluster's own default may forbid. By its marks a sweep knows the namespace of a run that was killed. */
async function makeNamespace(kube: Kube, name: string, stack: string | undefined): Promise<void> {
  const labels = { "pod-security.kubernetes.io/enforce": "privileged", [LABELS.tests]: "checkpoint", ...(stack ? { [LABELS.stack]: shorten(stack) } : {}) };
  await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels, annotations: { [LABELS.checkout]: ROOT, [RUN_ANNOTATION]: processMark() } } });
  await waitFor(`the account of namespace ${name}`, async () => {
    const account = await kube.read({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace: name } });
    return account !== undefined || notYet("it is not made yet");
  }, { deadline: ACCOUNT_WITHIN });
}
