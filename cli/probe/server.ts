import type { KubeconfigCluster } from "../../infra/support/kubeconfig";
import { anonymousTransport, call } from "../../infra/support/kube-transport";
import { serverUrl } from "../../infra/support/server-url";

/** Whether a server answers, and how. */
export interface Reach {
  reachable: boolean;
  answer: string;
}

/**
 * Knocks at an API server: any answer by HTTP will do, 401 and 403 too, because no credential is sent. The way there,
 * proxy and certificate included, is the one of every other request.
 * @param timeout milliseconds for the whole request, default 2000
 */
export async function reach(cluster: KubeconfigCluster, timeout = 2_000): Promise<Reach> {
  if (!serverUrl(cluster)) return { reachable: false, answer: cluster.server === "" ? "no server is named" : "no URL" };
  const transport = anonymousTransport(cluster);
  try {
    const { status } = await call(transport, { path: "/version", deadline: timeout });
    return { reachable: true, answer: `HTTP ${status || "without a status"}` };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { reachable: false, answer: code ?? message.replace(/^\/version did not answer/, "no answer") };
  } finally {
    transport.close();
  }
}
