import { Writable } from "node:stream";
import {
  ApiException,
  AuthorizationV1Api,
  CoreV1Api,
  Exec,
  type KubeConfig,
  KubernetesObjectApi,
  NetworkingV1Api,
  PatchStrategy,
  ServerConfiguration,
  Watch,
  createConfiguration,
  type CoreV1Event,
  type KubernetesObject,
  type V1ConfigMap,
  type V1NetworkPolicy,
  type V1Node,
  type V1PersistentVolume,
  type V1PersistentVolumeClaim,
  type V1Pod,
  type V1ResourceAttributes,
  type V1Status,
} from "@kubernetes/client-node";
import WebSocket from "ws";
import { deadlineSignal } from "./deadline";
import { loadKubeConfig } from "./kube-config";

/** Milliseconds after which a call to the Kubernetes API is given up. */
const CALL_DEADLINE = 15_000;

/** Who asks, for an access review. */
export interface Subject {
  user: string;
  groups?: string[];
}

/**
 * The one place that talks to the Kubernetes API. The client library is ESM only and a thousand files large:
 * within Jest it is loaded once per worker, outside the tests' module registry (see `environment.ts`).
 */
export class Kube {
  readonly #config: KubeConfig;
  readonly #core: CoreV1Api;
  readonly #authorization: AuthorizationV1Api;
  readonly #networking: NetworkingV1Api;
  readonly #objects: KubernetesObjectApi;

  /**
   * @param kubeconfig YAML text; the file of the user is never read
   * @param signal ends every call under way when it fires
   */
  constructor(kubeconfig: string, signal?: AbortSignal) {
    this.#config = loadKubeConfig(kubeconfig);
    const cluster = this.#config.getCurrentCluster();
    if (!cluster) throw new Error("the kubeconfig has no current cluster");
    const configuration = createConfiguration({
      baseServer: new ServerConfiguration(cluster.server, {}),
      authMethods: { default: this.#config },
      promiseMiddleware: [
        {
          pre: (request) => {
            request.setSignal(deadlineSignal(CALL_DEADLINE, signal));
            return Promise.resolve(request);
          },
          post: (response) => Promise.resolve(response),
        },
      ],
    });
    this.#core = new CoreV1Api(configuration);
    this.#authorization = new AuthorizationV1Api(configuration);
    this.#networking = new NetworkingV1Api(configuration);
    this.#objects = new KubernetesObjectApi(configuration);
  }

  async pods(namespace: string, labelSelector?: string): Promise<V1Pod[]> {
    return (await this.#core.listNamespacedPod({ namespace, labelSelector })).items;
  }

  async pod(namespace: string, name: string): Promise<V1Pod | undefined> {
    return unlessMissing(this.#core.readNamespacedPod({ namespace, name }));
  }

  /** @param fieldManager who counts as the owner of the pod's fields */
  async createPod(namespace: string, pod: V1Pod, fieldManager?: string): Promise<V1Pod> {
    return this.#core.createNamespacedPod({ namespace, body: pod, fieldManager });
  }

  /** Deletes a pod; one that is gone already is no error. */
  async deletePod(namespace: string, name: string, gracePeriodSeconds?: number): Promise<void> {
    await unlessMissing(this.#core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds }));
  }

  /** Makes an object of any kind. */
  async create<T extends KubernetesObject>(object: T): Promise<T> {
    return this.#objects.create(object);
  }

  /** An object of any kind as it is; nothing where there is none. */
  async read<T extends KubernetesObject>(header: Named): Promise<T | undefined> {
    return unlessMissing(this.#objects.read<T>(header));
  }

  /** Changes the fields that are given. */
  async patch(object: KubernetesObject): Promise<void> {
    await this.#objects.patch(object, undefined, undefined, undefined, undefined, PatchStrategy.MergePatch);
  }

  /** Deletes an object of any kind, and what it owns; one that is gone already is no error. */
  async remove(header: Named): Promise<void> {
    await unlessMissing(this.#objects.delete(header, undefined, undefined, undefined, undefined, "Background"));
  }

  /** Runs a command in a container and gives what it printed. @throws Error unless it ended well */
  async exec(namespace: string, pod: string, container: string, command: string[]): Promise<string> {
    const [stdout, stderr] = [new Collected(), new Collected()];
    const { status, message } = await new Promise<V1Status>((resolve, reject) => {
      new Exec(this.#config)
        .exec(namespace, pod, container, command, stdout, stderr, null, false, resolve)
        .then((socket) => {
          socket.once("error", reject).once("close", () => {
            reject(new Error(`exec in ${pod} ended without a status`));
          });
        }, reject);
    });
    if (status !== "Success")
      throw new Error(
        `${command.slice(0, 4).join(" ")} in ${pod}: ${message ?? status ?? "no status"} ${stderr.text()}`,
      );
    return stdout.text();
  }

  /** The answer of a pod's HTTP server to `GET /`, by the API server's proxy; it must name its content type. */
  async answerOf(namespace: string, pod: string, port: number): Promise<string> {
    return this.#core.connectGetNamespacedPodProxy({ namespace, name: `${pod}:${port}` });
  }

  async claims(namespace: string, labelSelector?: string): Promise<V1PersistentVolumeClaim[]> {
    return (await this.#core.listNamespacedPersistentVolumeClaim({ namespace, labelSelector })).items;
  }

  async claim(namespace: string, name: string): Promise<V1PersistentVolumeClaim | undefined> {
    return unlessMissing(this.#core.readNamespacedPersistentVolumeClaim({ namespace, name }));
  }

  async volume(name: string): Promise<V1PersistentVolume | undefined> {
    return unlessMissing(this.#core.readPersistentVolume({ name }));
  }

  async networkPolicies(namespace: string): Promise<V1NetworkPolicy[]> {
    return (await this.#networking.listNamespacedNetworkPolicy({ namespace })).items;
  }

  async createNetworkPolicy(namespace: string, body: V1NetworkPolicy): Promise<V1NetworkPolicy> {
    return this.#networking.createNamespacedNetworkPolicy({ namespace, body });
  }

  /** Deletes a policy; one that is gone already is no error. */
  async deleteNetworkPolicy(namespace: string, name: string): Promise<void> {
    await unlessMissing(this.#networking.deleteNamespacedNetworkPolicy({ namespace, name }));
  }

  /** ConfigMaps of a selector, of one namespace or of all. */
  async configMaps(labelSelector: string, namespace?: string): Promise<V1ConfigMap[]> {
    return (
      await (namespace === undefined
        ? this.#core.listConfigMapForAllNamespaces({ labelSelector })
        : this.#core.listNamespacedConfigMap({ namespace, labelSelector }))
    ).items;
  }

  async events(namespace: string): Promise<CoreV1Event[]> {
    return (await this.#core.listNamespacedEvent({ namespace })).items;
  }

  async nodes(): Promise<V1Node[]> {
    return (await this.#core.listNode()).items;
  }

  /** The end of a container's log; `previous` asks for the run before the last restart. */
  async log(
    namespace: string,
    name: string,
    options: { container?: string; previous?: boolean; tailLines?: number } = {},
  ): Promise<string> {
    return (await this.#core.readNamespacedPodLog({ namespace, name, ...options })) ?? "";
  }

  /** Objects of a namespace that are worth keeping as evidence, by kind. Secrets are not read at all. */
  async objects(namespace: string): Promise<Record<string, object[]>> {
    const [pods, persistentvolumeclaims, configmaps, serviceaccounts, nodes] = await Promise.all([
      this.pods(namespace),
      this.claims(namespace),
      this.#core.listNamespacedConfigMap({ namespace }).then(({ items }) => items),
      this.#core.listNamespacedServiceAccount({ namespace }).then(({ items }) => items),
      this.nodes(),
    ]);
    return { pods, persistentvolumeclaims, configmaps, serviceaccounts, nodes };
  }

  /** Whether `subject` may do what `attributes` say, as the API server's own authorizer decides. */
  async may(subject: Subject, resourceAttributes: V1ResourceAttributes): Promise<boolean> {
    const review = await this.#authorization.createSubjectAccessReview({
      body: { spec: { ...subject, resourceAttributes } },
    });
    return review.status?.allowed === true;
  }

  /** Tells of each change of the pods of a selector, until the function that it gives is called. */
  async watchPods(namespace: string, labelSelector: string, onPod: (pod: V1Pod) => void): Promise<() => void> {
    const watch = await new Watch(this.#config).watch(
      `/api/v1/namespaces/${namespace}/pods`,
      { labelSelector },
      (_, pod) => {
        onPod(pod as V1Pod);
      },
      () => undefined,
    );
    return () => {
      watch.abort();
    };
  }

  /** Starts a WebSocket to a path of the API server, with the credentials of the kubeconfig. */
  async connect(path: string, protocols: string[], options: { handshakeTimeout: number }): Promise<WebSocket> {
    const credentials: WebSocket.ClientOptions = {};
    await this.#config.applyToHTTPSOptions(credentials);
    const server = this.#config.getCurrentCluster()!.server.replace(/^http/, "ws").replace(/\/+$/, "");
    return new WebSocket(server + path, protocols, {
      ...credentials,
      ...options,
      perMessageDeflate: false,
      followRedirects: false,
    });
  }
}

/** An object's kind and name. */
export type Named = KubernetesObject & { metadata: { name: string; namespace?: string } };

class Collected extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _: unknown, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString();
  }
}

/** What went wrong in a call to the Kubernetes API, in one line: the server's own words where it gave some. */
export function kubeProblem(error: unknown): string {
  if (error instanceof ApiException) {
    const said = messageOf(error.body);
    return `the Kubernetes API answered ${error.code}${said ? `: ${said}` : ""}`;
  }
  if (error instanceof Error && error.name === "AbortError") return "the Kubernetes API did not answer in time";
  return `the Kubernetes API is not reached: ${error instanceof Error ? error.message : String(error)}`;
}

function messageOf(body: unknown): string | undefined {
  try {
    const status = (typeof body === "string" ? JSON.parse(body) : body) as { message?: string } | undefined;
    return status?.message;
  } catch {
    return typeof body === "string" ? body.slice(0, 200) : undefined;
  }
}

async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) return undefined;
    throw error;
  }
}
