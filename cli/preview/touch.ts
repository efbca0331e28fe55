import { labelTime, PREVIEW_LABELS } from "../../infra/preview";
import { openCluster } from "../cluster/access";
import { isoNow } from "./times";

/** Notes on a preview's namespace that it was used just now. */
export async function touch(kubeconfig: string, namespace: string, now = Date.now()): Promise<void> {
  const cluster = await openCluster(kubeconfig);
  try {
    await cluster.merge(`/api/v1/namespaces/${namespace}`, {
      metadata: { labels: { [PREVIEW_LABELS.lastUsed]: labelTime(isoNow(now)) } },
    });
  } finally {
    cluster.close();
  }
}
