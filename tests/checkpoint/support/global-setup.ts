import { SECRET_OUTPUTS } from "../../../infra/outputs";
import { Kube } from "../../support/kube";
import { isListing, LISTING } from "../../support/listing";
import { runFolder, writeArtifact } from "../../support/run-folder";
import { admitPropagators } from "./access";
import { findSession } from "./find-session";
import { makeNamespace } from "./namespace";
import { publishSession } from "./session";

/** Once per run of the checkpoint project: says what is tested, and makes the namespace that all of its pods are in. */
export default async function globalSetup(): Promise<void> {
  if (isListing())
    return publishSession({
      kubeconfig: LISTING.outputs.kubeconfig,
      namespace: "none",
      image: "none",
      outputs: LISTING.outputs,
    });
  runFolder();
  const session = await findSession();
  const { lacking, kubeconfig, namespace, outputs } = session;
  if (outputs)
    writeArtifact(
      "stack.json",
      Object.fromEntries(
        Object.entries(outputs).filter(([key]) => !(SECRET_OUTPUTS as readonly string[]).includes(key)),
      ),
    );
  if (lacking === undefined) {
    const kube = new Kube(kubeconfig);
    await makeNamespace(kube, namespace, outputs ? process.env["BAY_E2E_STACK"] : undefined);
    await admitPropagators(kube, namespace, outputs?.checkpoint.namespace);
  }
  publishSession(session);
}
