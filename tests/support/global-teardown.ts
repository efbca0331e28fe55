import { FORWARD_FILE, saveFailure } from "./evidence";
import { RUN, type Run } from "./global-setup";
import { leftovers } from "./leftovers";
import { isListing } from "./listing";
import { writeArtifact } from "./run-folder";
import { withdrawSession } from "./session";

/** Once per run: nothing that the tests made may be left in the namespace; then the port-forward is closed. */
export default async function globalTeardown(): Promise<void> {
  if (isListing()) return withdrawSession();
  const { forward, kube, outputs, before } = (globalThis as unknown as Record<symbol, Run>)[RUN]!;
  try {
    const left = await leftovers(kube, outputs.namespace, before);
    if (left.length === 0) return;
    const error = new Error(
      `The tests left ${left.length} objects in namespace ${outputs.namespace}:\n${left.map((name) => `  ${name}`).join("\n")}`,
    );
    error.stack = error.message;
    await saveFailure(kube, outputs, "left after the tests", error);
    throw error;
  } finally {
    writeArtifact(FORWARD_FILE, forward.status());
    await forward.close();
    withdrawSession();
  }
}
