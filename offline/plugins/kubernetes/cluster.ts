/** The configured cluster and whether it can be reached. */
import type { ValueMap } from "../rpc/values";
import { ApiClient } from "./client";
import type { ProviderConfig } from "./config";
import { Discovery, probablyNamespaced } from "./discovery";
import { connect } from "./kubeconfig";
import { gvkOf, nameOf } from "./objects";

/** Milliseconds until a server counts as unreachable, and for which that is remembered. */
const REACH_TIMEOUT = 10_000;

export class Cluster {
  readonly client: ApiClient | undefined;
  readonly defaultNamespace: string;
  private readonly discovery: Discovery | undefined;
  private readonly brokenConfig: string | undefined;
  private reached: Promise<string | undefined> | undefined;

  constructor(readonly config: ProviderConfig) {
    let namespace = config.namespace;
    try {
      const connection = connect(config);
      this.client = new ApiClient(connection);
      this.discovery = new Discovery(this.client);
      namespace ??= connection.namespace || undefined;
    } catch (error) {
      this.brokenConfig = error instanceof Error ? error.message : String(error);
    }
    this.defaultNamespace = namespace ?? "default";
  }

  /** Why the cluster cannot be used, or `undefined` when it answers. Any answer counts, a refusal too. */
  async unreachable(): Promise<string | undefined> {
    this.reached ??= this.probe();
    const reason = await this.reached;
    return reason;
  }

  /** @throws Error saying why the cluster cannot be used. */
  async use(): Promise<{ client: ApiClient; discovery: Discovery }> {
    const reason = await this.unreachable();
    if (reason !== undefined || !this.client || !this.discovery)
      throw new Error(`configured Kubernetes cluster is unreachable: ${reason ?? ""}`);
    return { client: this.client, discovery: this.discovery };
  }

  /** Whether the cluster can be reached and knows the object's kind. */
  async knows(object: ValueMap): Promise<boolean> {
    if ((await this.unreachable()) !== undefined) return false;
    return (
      this.discovery?.find(gvkOf(object)).then(
        () => true,
        () => false,
      ) ?? false
    );
  }

  /** Whether objects of this kind live in a namespace; a guess when nobody can be asked. */
  async isNamespaced(object: ValueMap): Promise<boolean> {
    const gvk = gvkOf(object);
    if ((await this.unreachable()) !== undefined || !this.discovery) return probablyNamespaced(gvk.kind);
    return this.discovery.find(gvk).then(
      ({ namespaced }) => namespaced,
      () => probablyNamespaced(gvk.kind),
    );
  }

  /** Path of an object in the API. */
  async pathOf(object: ValueMap, name = nameOf(object)): Promise<string> {
    const { discovery } = await this.use();
    return `${await discovery.collection(object)}/${encodeURIComponent(name)}`;
  }

  private async probe(): Promise<string | undefined> {
    if (!this.client) return this.brokenConfig;
    try {
      await this.client.text({ path: "/version", timeout: REACH_TIMEOUT });
      return undefined;
    } catch (error) {
      if (error instanceof Error && error.name === "ApiError") return undefined;
      // A cluster may come up while the program runs: what failed is tried again a while later.
      setTimeout(() => {
        this.reached = undefined;
      }, REACH_TIMEOUT).unref();
      return error instanceof Error ? error.message : String(error);
    }
  }
}
