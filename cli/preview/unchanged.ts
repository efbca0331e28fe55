import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LABELS, ownerOf } from "../../infra/naming";
import { saysReady } from "../../infra/support/conditions";
import { openKubeApi } from "../../infra/support/kube-api";
import { writeWhole } from "../../infra/support/files";
import { ROOT, STATE } from "../paths";
import { isComplete, stateOf } from "../stack/stack-state";
import { digestOf } from "./digest";

/** Where the digest of a stack's last finished `up` is kept. */
const fileOf = (stack: string): string => join(STATE, "previews", "ups", `${stack}.txt`);

/** Digest of all that an `up` of a preview follows from: its configuration, the program, the packages. */
export function fingerprint(config: Record<string, unknown>): string {
  return digestOf(
    [JSON.stringify(config)],
    ["infra", "Pulumi.yaml", "package-lock.json"].map((path) => join(ROOT, path)),
  );
}

/** Notes what the last `up` was made of. */
export function remember(stack: string, digest: string): void {
  writeWhole(fileOf(stack), digest);
}

/** Forgets it, with the stack. */
export function forget(stack: string): void {
  rmSync(fileOf(stack), { force: true });
}

interface Pod {
  metadata: { name: string; deletionTimestamp?: string };
  spec: { containers: { image: string }[] };
  status: { conditions?: { type: string; status: string }[] };
}

/**
 * Whether another `up` would change nothing: the last one was made of the same, came to its end, and the cluster has
 * its Bay, ready. Pulumi, which takes seconds to say so, would believe its state.
 * @returns name of Bay's pod, or nothing where there is something to do
 */
export async function podIfUnchanged(
  stack: string,
  digest: string,
  { kubeconfig, namespace }: { kubeconfig: string; namespace: string },
): Promise<string | undefined> {
  const file = fileOf(stack);
  if (!existsSync(file) || readFileSync(file, "utf8") !== digest) return undefined;
  const state = await stateOf(stack);
  const pod = state?.resources
    .find(({ type }) => type === "kubernetes:core/v1:Pod")
    ?.id?.split("/")
    .at(-1);
  if (!state || !isComplete(state) || pod === undefined) return undefined;
  const api = await openKubeApi(kubeconfig);
  try {
    const [space, found] = await Promise.all([
      api.get<{ metadata: { labels?: Record<string, string> } }>(`/api/v1/namespaces/${namespace}`),
      api.get<Pod>(`/api/v1/namespaces/${namespace}/pods/${pod}`),
    ]);
    const ready = found !== undefined && saysReady(found.status) && found.metadata.deletionTimestamp === undefined;
    return ready && space?.metadata.labels?.[LABELS.owner] === ownerOf(ROOT, stack).id ? pod : undefined;
  } finally {
    api.close();
  }
}
