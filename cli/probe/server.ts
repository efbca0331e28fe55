import http from "node:http";
import https from "node:https";
import type { FoundContext } from "./kubeconfig";

/** Whether a server answers, and how. */
export interface Reach {
  reachable: boolean;
  answer: string;
}

/**
 * Knocks at an API server: any answer by HTTP will do, 401 and 403 too, because no credential is sent. The
 * certificate is checked as the kubeconfig says, so that another server on the same port is not taken for it.
 * @param timeout milliseconds for the whole request, default 2000
 */
export async function reach(context: Omit<FoundContext, "name">, timeout = 2_000): Promise<Reach> {
  if (!URL.canParse(context.server)) return { reachable: false, answer: context.server === "" ? "no server is named" : "no URL" };
  const url = new URL("version", context.server.replace(/\/?$/, "/"));
  const deadline = AbortSignal.timeout(timeout);
  const options: https.RequestOptions = {
    signal: deadline, agent: false, headers: { accept: "application/json" },
    ...(context.authority ? { ca: context.authority } : {}), ...(context.serverName ? { servername: context.serverName } : {}), rejectUnauthorized: !context.insecure,
  };
  return new Promise((resolve) => {
    const get = url.protocol === "http:" ? http.get : https.get;
    get(url, options, (response) => {
      response.resume();
      resolve({ reachable: true, answer: `HTTP ${response.statusCode ?? "without a status"}` });
      response.destroy();
    }).on("error", (error: NodeJS.ErrnoException) => {
      resolve({ reachable: false, answer: deadline.aborted ? `no answer within ${timeout / 1000} s` : error.code ?? error.message });
    });
  });
}
