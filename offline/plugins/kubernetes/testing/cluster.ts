/** A namespace of its own on the cluster that BAY_E2E_TEST_KUBECONFIG names, and direct access beside the plugin. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { waitFor } from "../../../../infra/support/wait";
import type { ValueMap } from "../../rpc/values";
import { ApiClient } from "../client";
import { Discovery } from "../discovery";
import { follow } from "../follow";
import { connect } from "../kubeconfig";
import { listAt, nameOf, textAt } from "../objects";

/** Path of the kubeconfig, when there is a cluster to test on. */
export const TEST_KUBECONFIG = process.env["BAY_E2E_TEST_KUBECONFIG"];

/**
 * `describe` where there is a cluster, else a skipped one whose name says what is missing; Jest shows no skipped names,
 * so a line does.
 */
export const describeWithCluster: jest.Describe =
  TEST_KUBECONFIG === undefined || TEST_KUBECONFIG === ""
    ? (((name: string, run: () => void) => {
        const named = `${name} (needs a cluster: set BAY_E2E_TEST_KUBECONFIG)`;
        process.stderr.write(`skipped: the kubernetes plugin ${named}\n`);
        describe.skip(named, run);
      }) as jest.Describe)
    : describe;

export class TestCluster {
  readonly kubeconfig: string;
  readonly client: ApiClient;
  readonly discovery: Discovery;
  readonly namespace = `plugin-test-${randomBytes(4).toString("hex")}`;

  constructor() {
    this.kubeconfig = readFileSync(TEST_KUBECONFIG ?? "", "utf8");
    this.client = new ApiClient(connect({ kubeconfig: this.kubeconfig }));
    this.discovery = new Discovery(this.client);
  }

  /** An image that every node has and that runs for ever. */
  async image(): Promise<string> {
    return this.imageLike(/pause/);
  }

  /** One with a shell: that of Ship, which the stack k3s has. */
  async shellImage(): Promise<string> {
    return this.imageLike(/\/ship:/);
  }

  /** A kubelet tells what images it has every ten seconds: one that was loaded just now is not known yet. */
  private async imageLike(pattern: RegExp): Promise<string> {
    return waitFor<string>(
      async () => {
        const nodes = await this.client.request({ path: "/api/v1/nodes" });
        const names = listAt(nodes, "items", 0, "status", "images")
          .flatMap((image) => listAt(image, "names"))
          .map(String);
        const image = names.find((name) => pattern.test(name) && !name.includes("@"));
        return image === undefined ? { reason: names.join(", ") } : { value: image };
      },
      { deadline: 60_000, interval: 500 },
      (names) => new Error(`no image like ${pattern} on the node, only ${names}`),
    );
  }

  async create(object: ValueMap): Promise<ValueMap> {
    return this.client.request({ method: "POST", path: await this.discovery.collection(object), body: object });
  }

  async get(object: ValueMap): Promise<ValueMap> {
    return this.client.request({ path: `${await this.discovery.collection(object)}/${nameOf(object)}` });
  }

  /** A merge patch as another tool would send it. */
  async patch(
    object: ValueMap,
    body: ValueMap,
    { subresource = "", fieldManager = "somebody" } = {},
  ): Promise<ValueMap> {
    return this.client.request({
      method: "PATCH",
      path: `${await this.discovery.collection(object)}/${nameOf(object)}${subresource}`,
      query: { fieldManager },
      contentType: "application/merge-patch+json",
      body,
    });
  }

  /** Deletes an object at once and waits until it is gone. */
  async delete(object: ValueMap): Promise<void> {
    const path = await this.discovery.collection(object);
    await this.client.request({
      method: "DELETE",
      path: `${path}/${nameOf(object)}`,
      body: { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 },
    });
    const stop = new AbortController();
    await follow({
      client: this.client,
      path,
      fieldSelector: `metadata.name=${nameOf(object)}`,
      signal: stop.signal,
      onChange: (left) => {
        if (left.length === 0) stop.abort();
      },
    });
  }

  /** Resolves as soon as the predicate holds for the object. */
  async until(object: ValueMap, holds: (live: ValueMap) => boolean): Promise<void> {
    const stop = new AbortController();
    await follow({
      client: this.client,
      path: await this.discovery.collection(object),
      fieldSelector: `metadata.name=${nameOf(object)}`,
      signal: stop.signal,
      onChange: ([live]) => {
        if (live && holds(live)) stop.abort();
      },
    });
  }

  async close(): Promise<void> {
    await this.client
      .request({ method: "DELETE", path: `/api/v1/namespaces/${this.namespace}` })
      .catch(() => undefined);
    this.client.close();
  }
}

/** The uid of an object: the same uid, the same object. */
export function uidOf(object: ValueMap | undefined): string {
  return textAt(object, "metadata", "uid");
}
