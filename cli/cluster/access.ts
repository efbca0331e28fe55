import { existsSync, readFileSync } from "node:fs";
import { kubeconfigFile, ownerOf } from "../../infra/naming";
import { thingsOf } from "../clean-up/docker-things";
import { tryRun } from "../../infra/support/exec";
import { KubeRefusal, wordsOf } from "../../infra/support/kube-api";
import { call, type KubeCall, transportOf } from "../../infra/support/kube-transport";
import { ROOT } from "../paths";
import { clear, stateInClear, type StackState } from "../stack/stack-state";

/** Milliseconds for one call: who asks here asks about something that may be dead. */
const CALL_DEADLINE = 8_000;

/** A cluster, as far as clean-up and evidence need it: any credentials that a kubeconfig can hold, any path. */
export interface ClusterAccess {
  readonly server: string;
  /** What stands at a path of the API; nothing where the server says 404. @throws KubeRefusal for other refusals */
  get<T>(path: string): Promise<T | undefined>;
  /** The same as it is: a log. */
  text(path: string): Promise<string>;
  /** Merges fields into what stands at a path. */
  merge(path: string, fields: object): Promise<void>;
  /**
   * Deletes what stands at a path; what is gone already is no error.
   * @returns false when it is not the one that `preconditions` describe, and nothing was deleted
   */
  remove(path: string, options?: DeleteOptions): Promise<boolean>;
  close(): void;
}

/** How something is deleted, in the API's own words (`DeleteOptions`). */
export interface DeleteOptions {
  /** Only this very object, in this very version. */
  preconditions?: { uid?: string; resourceVersion?: string };
  gracePeriodSeconds?: number;
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
}

/**
 * The kubeconfig of a stack whatever became of its `up`: from its state, its file, or its node.
 * @param state of the stack in clear, where the caller has it already
 */
export async function kubeconfigOf(
  stack: string,
  state?: StackState,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const known = state ?? (await stateInClear(stack, signal));
  const inputs = known?.resources.find(({ type }) => type === "pulumi:providers:kubernetes")?.inputs;
  const fromState = clear(inputs?.["kubeconfig"]);
  if (typeof fromState === "string" && fromState.includes("apiVersion")) return fromState;
  const file = kubeconfigFile(ROOT, stack);
  if (existsSync(file)) return readFileSync(file, "utf8");
  return fromNode(stack, signal);
}

/** Opens the current context of a kubeconfig. @throws UserError E_KUBECONFIG */
export async function openCluster(kubeconfig: string, signal?: AbortSignal): Promise<ClusterAccess> {
  const transport = transportOf(kubeconfig);
  await transport.options();
  const demand = async (request: KubeCall): Promise<string | undefined> => {
    const answer = await call(transport, { ...request, deadline: CALL_DEADLINE, ...(signal ? { signal } : {}) });
    if (answer.status === 404) return undefined;
    if (answer.status === 409 && request.method === "DELETE") return CONFLICT;
    if (answer.status >= 300) {
      const said = `${request.path} answered ${answer.status}${wordsOf(answer)}`;
      throw new KubeRefusal(answer.status, request.path.split("?")[0]!, said);
    }
    return answer.body;
  };
  const deletion = (options: DeleteOptions) => ({
    body: { kind: "DeleteOptions", apiVersion: "v1", ...options },
    contentType: "application/json",
  });
  return {
    server: transport.server,
    get: async <T>(path: string) => {
      const body = await demand({ path });
      return body === undefined ? undefined : (JSON.parse(body) as T);
    },
    text: async (path) => (await demand({ path })) ?? "",
    merge: async (path, fields) => {
      await demand({ method: "PATCH", path, body: fields, contentType: "application/merge-patch+json" });
    },
    remove: async (path, options) =>
      (await demand({ method: "DELETE", path, ...(options ? deletion(options) : {}) })) !== CONFLICT,
    close: () => {
      transport.close();
    },
  };
}

/** k3s and kubeadm keep one in the node, for a port that means something only in there. */
async function fromNode(stack: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const options = { timeout: 10_000, ...(signal ? { signal } : {}) };
  const nodes = (await thingsOf(ownerOf(ROOT, stack), { optional: true })).filter(({ kind }) => kind === "container");
  for (const { name } of nodes) {
    const inside = await tryRun(
      [
        "docker",
        "exec",
        name,
        "sh",
        "-c",
        "cat /etc/rancher/k3s/k3s.yaml 2>/dev/null || cat /etc/kubernetes/admin.conf",
      ],
      options,
    ).catch(() => undefined);
    const port = await tryRun(["docker", "port", name, "6443/tcp"], options).catch(() => undefined);
    const address = port?.stdout.split("\n")[0];
    if (inside?.exitCode === 0 && address)
      return inside.stdout.replace(
        /server: https:\/\/\S+/,
        `server: https://${address.replace("0.0.0.0", "127.0.0.1")}`,
      );
  }
  return undefined;
}

/** In place of the body of a deletion whose preconditions do not hold. */
const CONFLICT = "conflict";
