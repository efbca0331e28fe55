import * as pulumi from "@pulumi/pulumi";
import { cedana, fullUrl } from "../../../infra/components/checkpoint/cedana";
import { imageParts, local } from "../../../infra/components/checkpoint/local";
import { overlay, type Source } from "../../../infra/components/checkpoint/source";
import { readConfig } from "../../../infra/config";
import { ownerOf } from "../../../infra/naming";

const owner = ownerOf("/somewhere", "k3s");

async function valuesOf(
  source: Source,
  raw: Record<string, string>,
): Promise<{ values: Record<string, never>; secret: boolean; plan: ReturnType<Source["release"]> }> {
  const plan = source.release({
    settings: readConfig(raw, "k3s"),
    owner,
    root: "/somewhere",
    namespace: "ns",
    workloads: "work",
    image: "docker.io/bay-e2e/propagator:3f2a",
    pullPolicy: "Never",
    pullSecrets: ["pull"],
  });
  const output = pulumi.output(plan.values);
  const values = await new Promise<Record<string, never>>((resolve) => {
    output.apply((value) => {
      resolve(value as Record<string, never>);
    });
  });
  return { values, secret: await pulumi.isSecret(output), plan };
}

describe("the release of the local propagator", () => {
  test("has a token made at random, kept from the first up on, and never shown", async () => {
    const { values, secret, plan } = await valuesOf(local, {});
    expect(local.token(values)).toMatch(/^[0-9a-f]{64}$/);
    expect(secret).toBe(true);
    expect(plan.keep).toEqual(["values.config.authToken", "values.config.agentToken"]);
    const { agentToken } = values["config"] as unknown as { agentToken: string };
    expect(agentToken).toMatch(/^[0-9a-f]{64}$/);
    expect(agentToken).not.toBe(local.token(values));
    expect(local.token((await valuesOf(local, {})).values)).not.toBe(local.token(values));
  });

  test("tells the chart its cluster, its image and what the configuration says", async () => {
    const { values, plan } = await valuesOf(local, {
      checkpointLogLevel: "debug",
      checkpointDirectory: "/data",
      storageClass: "fast",
      checkpointResources: '{"limits":{"memory":"1Gi"}}',
    });
    expect(plan.chart).toMatch(/^\.\.\/.*somewhere\/charts\/propagator$/);
    expect(values).toMatchObject({
      config: {
        clusterId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/) as string,
        namespaces: ["work"],
        logLevel: "debug",
        checkpointDir: "/data",
      },
      image: { repository: "docker.io/bay-e2e/propagator", tag: "3f2a", digest: "", pullPolicy: "Never" },
      imagePullSecrets: [{ name: "pull" }],
      persistence: { storageClass: "fast" },
      resources: { limits: { memory: "1Gi" } },
      runtimeClass: { create: false },
    });
  });

  test("is the same cluster at every run, and another for another stack", () => {
    const idOf = (stack: string) =>
      local.answers({ settings: readConfig({ backend: "k3s" }, stack), owner: ownerOf("/somewhere", stack) }).clusterId;
    expect(idOf("k3s")).toBe(local.answers({ settings: readConfig({}, "k3s"), owner }).clusterId);
    expect(idOf("other")).not.toBe(idOf("k3s"));
  });

  test.each([
    ["docker.io/bay-e2e/propagator:3f2a", { repository: "docker.io/bay-e2e/propagator", tag: "3f2a", digest: "" }],
    ["registry.example:5000/p@sha256:00ff", { repository: "registry.example:5000/p", tag: "", digest: "sha256:00ff" }],
    [
      "registry.example:5000/a/p:1@sha256:00ff",
      { repository: "registry.example:5000/a/p", tag: "1", digest: "sha256:00ff" },
    ],
    ["localhost:5000/p", { repository: "localhost:5000/p", tag: "", digest: "" }],
  ])("takes %s apart", (reference, parts) => {
    expect(imageParts(reference)).toEqual(parts);
  });
});

describe("the release of Cedana", () => {
  const raw = { cedanaToken: "planted-cedana-token", cedanaClusterId: "c-1" };

  test("has the token as a secret, the pinned chart, and the least resources", async () => {
    const { values, secret, plan } = await valuesOf(cedana, raw);
    expect(plan).toMatchObject({
      name: "cedana",
      chart: "oci://registry-1.docker.io/cedana/cedana-helm",
      version: "0.7.6",
      keep: [],
    });
    expect(secret).toBe(true);
    expect(values).toMatchObject({
      config: {
        authToken: "planted-cedana-token",
        url: "https://ci.cedana.ai/v1",
        clusterId: "c-1",
        logLevel: "info",
        checkpointCompression: "none",
        checkpointStreams: 0,
        pluginsGpuVersion: "none",
        metrics: false,
      },
      hostConfig: { containerdAddress: "/run/k3s/containerd/containerd.sock" },
      controllerManager: {
        manager: { resources: { limits: { cpu: "200m", memory: "128Mi" }, requests: { cpu: "100m", memory: "64Mi" } } },
      },
    });
    expect(values["config"]).not.toHaveProperty("checkpointDir");
  });

  test("can be overridden in every value, and by keys of the configuration", async () => {
    const { values } = await valuesOf(cedana, {
      ...raw,
      checkpointContainerdAddress: "/run/c.sock",
      checkpointCompression: "lz4",
      checkpointDirectory: "s3://b",
      checkpointResources: '{"limits":{"cpu":"1"}}',
      checkpointValues: '{"config":{"metrics":true},"daemonHelper":{"nodeSelector":{"a":"b"}}}',
    });
    expect(values).toMatchObject({
      config: { metrics: true, checkpointCompression: "lz4", checkpointDir: "s3://b", clusterId: "c-1" },
      hostConfig: { containerdAddress: "/run/c.sock" },
      controllerManager: { manager: { resources: { limits: { cpu: "1", memory: "128Mi" } } } },
      daemonHelper: { nodeSelector: { a: "b" } },
    });
  });

  test("is called without a version in the path", () => {
    expect(cedana.answers({ settings: readConfig({ ...raw, cedanaUrl: "host.example/v1/" }, "k3s"), owner })).toEqual({
      url: "https://host.example",
      forward: null,
      clusterId: "c-1",
    });
  });

  test.each([
    ["ci.cedana.ai/v1", "https://ci.cedana.ai/v1"],
    ["http://h:1324", "http://h:1324/v1"],
    ["https://h/v1/", "https://h/v1"],
  ])("turns %s into %s for the chart", (given, full) => {
    expect(fullUrl(given)).toBe(full);
  });
});

test("values are laid over others key by key, lists as a whole", () => {
  expect(overlay({ a: { b: 1, c: [1, 2] }, d: 1 }, { a: { c: [3] }, e: { f: 1 } })).toEqual({
    a: { b: 1, c: [3] },
    d: 1,
    e: { f: 1 },
  });
});
