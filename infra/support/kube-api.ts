import https from "node:https";
import { parse } from "yaml";

/** A list as the API server gives it. */
export interface KubeList<T> {
  items: T[];
}

/** What the program must ask of a cluster before it declares anything in it; read-only. */
export interface KubeApi {
  readonly server: string;
  /** The object at a path such as `/api/v1/nodes`, or nothing where the server says 404. */
  get<T>(path: string): Promise<T | undefined>;
  close(): void;
}

/**
 * Opens a kubeconfig's current context. Only what k3s and kind write is understood here (certificates or a
 * token, inline): a full client costs half a second at every run of the program.
 */
export function openKubeApi(kubeconfig: string): KubeApi {
  const config = parse(kubeconfig) as Kubeconfig;
  const context = config.contexts.find((entry) => entry.name === config["current-context"])!.context;
  const cluster = config.clusters.find((entry) => entry.name === context.cluster)!.cluster;
  const user = config.users.find((entry) => entry.name === context.user)!.user;
  const agent = new https.Agent({
    keepAlive: true, ca: decode(cluster["certificate-authority-data"]),
    cert: decode(user["client-certificate-data"]), key: decode(user["client-key-data"]),
  });
  const headers = user.token ? { authorization: `Bearer ${user.token}` } : {};
  return {
    server: cluster.server,
    get: (path) => getJson(`${cluster.server}${path}`, { agent, headers, timeout: 5_000 }),
    close: () => { agent.destroy(); },
  };
}

interface Kubeconfig {
  "current-context": string;
  contexts: { name: string; context: { cluster: string; user: string } }[];
  clusters: { name: string; cluster: { server: string; "certificate-authority-data"?: string } }[];
  users: { name: string; user: { "client-certificate-data"?: string; "client-key-data"?: string; token?: string } }[];
}

function decode(base64: string | undefined): Buffer | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, "base64");
}

function getJson<T>(url: string, options: https.RequestOptions): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const request = https.get(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 404) resolve(undefined);
        else if (response.statusCode === 200) resolve((text.startsWith("{") ? JSON.parse(text) : text) as T);
        else reject(new Error(`${new URL(url).pathname} answered ${response.statusCode ?? "nothing"}`));
      });
    });
    request.on("timeout", () => request.destroy(new Error(`${new URL(url).pathname} did not answer within 5 s`)));
    request.on("error", reject);
  });
}
