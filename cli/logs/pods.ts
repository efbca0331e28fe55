import type { KubeConfig } from "@kubernetes/client-node";
import https from "node:https";
import { Lines, type LogOptions, type LogSource } from "./source";

/** Milliseconds until the API server must have begun to answer. */
const DEADLINE = 8_000;

/** A pod as far as its logs need it. */
export interface LoggedPod {
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec: { initContainers?: { name: string }[]; containers: { name: string }[] };
}

/** The logs of a pod: one source a container. */
export function podSources(kubeconfig: string, namespace: string, pod: LoggedPod): LogSource[] {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return containers.map(({ name }) => ({
    name: containers.length > 1 ? `${pod.metadata.name}/${name}` : pod.metadata.name,
    read: (options, line, signal) =>
      readPod(kubeconfig, logPath(namespace, pod.metadata.name, name, options), line, signal),
  }));
}

/** Path of a container's log. */
export function logPath(
  namespace: string,
  pod: string,
  container: string,
  { follow, previous, since, tail }: LogOptions,
): string {
  const query = new URLSearchParams({
    container,
    tailLines: String(tail),
    ...(follow ? { follow: "true" } : {}),
    ...(previous ? { previous: "true" } : {}),
    ...(since ? { sinceSeconds: String(since) } : {}),
  });
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log?${query.toString()}`;
}

/** The client library's own reader drops the server's words when it refuses; so the request is made here. */
async function readPod(
  kubeconfig: string,
  path: string,
  line: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const config = await open(kubeconfig);
  const options: https.RequestOptions = { signal };
  await config.applyToHTTPSOptions(options);
  const lines = new Lines(line);
  await new Promise<void>((resolve, reject) => {
    const request = https.get(
      `${config.getCurrentCluster()!.server.replace(/\/+$/, "")}${path}`,
      options,
      (response) => {
        request.setTimeout(0);
        const refused: Buffer[] = [];
        response.on("data", (chunk: Buffer) => {
          if (response.statusCode === 200) lines.add(chunk);
          else refused.push(chunk);
        });
        response.on("error", reject);
        response.on("end", () => {
          lines.end();
          if (response.statusCode === 200) resolve();
          else
            reject(
              new Error(
                messageOf(Buffer.concat(refused).toString()) ||
                  `the API server answered ${response.statusCode ?? "nothing"}`,
              ),
            );
        });
      },
    );
    request.setTimeout(DEADLINE, () =>
      request.destroy(new Error(`the API server did not answer within ${DEADLINE / 1000} s`)),
    );
    request.on("error", reject);
  });
}

async function open(kubeconfig: string): Promise<KubeConfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  return config;
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? "";
  } catch {
    return body.slice(0, 200);
  }
}
