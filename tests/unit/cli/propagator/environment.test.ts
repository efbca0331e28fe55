import { PropagatorClient } from "../../../../cli/propagator/client";
import { findCluster, requireTarget, runcRoot, targetOfEnvironment } from "../../../../cli/propagator/environment";
import { baseUrl, versionedUrl } from "../../../../cli/propagator/url";
import { type Reply, Scripted } from "./server";

describe("The address of a propagator", () => {
  test.each([
    ["ci.cedana.ai/v1", "https://ci.cedana.ai"],
    ["http://host:1324/v1/", "http://host:1324"],
    ["https://host", "https://host"],
    ["https://host/", "https://host"],
    ["http://host/v2", "http://host/v2"],
    ["https://host/v1/v1", "https://host/v1"],
    ["host:1324/base/v1", "https://host:1324/base"],
    [" ci.cedana.ai ", "https://ci.cedana.ai"],
  ])("%s is %s", (given, expected) => {
    expect(baseUrl(given)).toBe(expected);
    expect(versionedUrl(given)).toBe(`${expected}/v1`);
  });

  test.each(["", "https://", "https://user:secret@host", "host/a b", "host/v1?x=1"])("%j is refused", (given) => {
    expect(() => baseUrl(given)).toThrow(
      expect.objectContaining({ code: "E_PROPAGATOR_TARGET", message: expect.not.stringContaining("secret") }),
    );
  });
});

describe("The environment", () => {
  test.each<[string, NodeJS.ProcessEnv, object | undefined]>([
    ["nothing", {}, undefined],
    ["an address without a token", { CEDANA_URL: "https://host/v1" }, undefined],
    ["an empty token", { CEDANA_AUTH_TOKEN: " " }, undefined],
    ["a token", { CEDANA_AUTH_TOKEN: "t" }, { url: "https://ci.cedana.ai", token: "t", origin: "the environment" }],
    [
      "all three",
      { CEDANA_AUTH_TOKEN: "t", CEDANA_URL: "host/v1", CLUSTER_ID: "c" },
      { url: "https://host", token: "t", clusterId: "c", origin: "the environment" },
    ],
  ])("with %s", (_what, env, expected) => {
    expect(targetOfEnvironment(env)).toEqual(expected);
    if (!expected) expect(() => requireTarget(env)).toThrow(expect.objectContaining({ code: "E_PROPAGATOR_TARGET" }));
    else expect(requireTarget(env)).toEqual(expected);
  });

  test("names runc's folder, or has the usual one", () => {
    expect([runcRoot({}), runcRoot({ RUNC_ROOT: "" }), runcRoot({ RUNC_ROOT: "/r" })]).toEqual([
      "/run/containerd/runc/k8s.io",
      "/run/containerd/runc/k8s.io",
      "/r",
    ]);
  });
});

describe("The cluster of a request", () => {
  const server = new Scripted();
  let client: PropagatorClient;
  beforeAll(async () => {
    client = new PropagatorClient({ url: await server.start(), token: "t" });
  });
  afterAll(async () => {
    client.close();
    await server.stop();
  });

  test.each<[string, string | undefined, Reply, object]>([
    ["the one given", "mine", { status: 500 }, { id: "mine", source: "given" }],
    ["the first listed", undefined, { body: `[{"id":"a"},{"id":"b"}]` }, { id: "a", source: "listed" }],
    [
      "a placeholder where there is none",
      undefined,
      { body: "[]" },
      { id: "test-cluster-placeholder", source: "placeholder" },
    ],
    ["a placeholder for null", undefined, { body: "null" }, { id: "test-cluster-placeholder", source: "placeholder" }],
    [
      "a placeholder after a fault, and its reason",
      undefined,
      { status: 502 },
      { id: "test-cluster-placeholder", why: "GET /v2/cluster answered 502: Bad Gateway" },
    ],
    [
      "the fallback for a cluster without an id",
      undefined,
      { body: `[{"id":null}]` },
      { id: "test-cluster-fallback", source: "placeholder" },
    ],
  ])("is %s", async (_what, given, reply, expected) => {
    server.answer = () => reply;
    expect(await findCluster(client, given)).toMatchObject(expected);
  });

  test("is not made up when the token is refused", async () => {
    server.answer = () => ({ status: 401 });
    await expect(findCluster(client)).rejects.toMatchObject({ status: 401 });
  });
});
