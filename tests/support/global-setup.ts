import { SECRET_OUTPUTS } from "../../infra/outputs";
import { FORWARD_FILE } from "./evidence";
import { Kube } from "./kube";
import { inventory } from "./leftovers";
import { isListing, LISTING } from "./listing";
import { readOutputs } from "./outputs";
import { openForward, type Forward } from "./port-forward";
import { runFolder, writeArtifact } from "./run-folder";
import { publishSession } from "./session";

/** What the set-up leaves for the teardown; both run in Jest's main process. */
export interface Run {
  forward: Forward;
  kube: Kube;
  outputs: Awaited<ReturnType<typeof readOutputs>>;
  /** Pods and claims that were there before the first test. */
  before: Awaited<ReturnType<typeof inventory>>;
}

export const RUN = Symbol.for("bay-e2e run");

/** Once per run of the e2e project: reads the stack's outputs and opens the port-forward that all workers share. */
export default async function globalSetup(): Promise<void> {
  if (isListing()) return publishSession(LISTING);
  runFolder();
  const outputs = await readOutputs();
  const open = Object.fromEntries(
    Object.entries(outputs).filter(([key]) => !(SECRET_OUTPUTS as readonly string[]).includes(key)),
  );
  writeArtifact("stack.json", open);
  const kube = new Kube(outputs.kubeconfig);
  const { kubeconfig, namespace, pod, port } = outputs;
  // The forward comes first: it says in words why the cluster is not reached.
  const forward = await openForward({ kubeconfig, namespace, pod, port });
  const before = await inventory(kube, namespace);
  const keep = (): void => writeArtifact(FORWARD_FILE, forward.status());
  keep();
  forward.onChange(keep);
  publishSession({ outputs, url: forward.url, reference: await isReference(forward.url) });
  const run: Run = { forward, kube, outputs, before };
  Object.assign(globalThis, { [RUN]: run });
}

/** The reference says so in its own description. */
async function isReference(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/openapi.json`, { signal: AbortSignal.timeout(30_000) });
  if (!answer.ok) return false;
  const { info } = (await answer.json()) as { info?: Record<string, unknown> };
  return info?.["x-bay-reference"] === true;
}
