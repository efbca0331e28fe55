import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret, UNKNOWN, type ValueMap } from "../rpc/values";
import { checkConfig, diffConfig, parseConfig } from "./config";
import { connect } from "./kubeconfig";

const kubeconfig = (server: string, user: ValueMap = { token: "t" }): string =>
  JSON.stringify({
    "current-context": "a",
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user }],
    contexts: [
      { name: "a", context: { cluster: "c", user: "u", namespace: "n" } },
      { name: "b", context: { cluster: "none", user: "u" } },
    ],
  });
const replaces = (olds: ValueMap, news: ValueMap): { changes: boolean; replaces?: string[] } =>
  diffConfig({ olds, oldInputs: olds, news });

describe("a provider is replaced", () => {
  it("when its cluster has another identifier", () => {
    expect(
      replaces({ clusterIdentifier: "a", kubeconfig: "x" }, { clusterIdentifier: "b", kubeconfig: "x" }).replaces,
    ).toEqual(["clusterIdentifier"]);
  });

  it("when, without identifiers, its kubeconfig leads to another server", () => {
    expect(
      replaces({ kubeconfig: kubeconfig("https://one") }, { kubeconfig: kubeconfig("https://two") }).replaces,
    ).toEqual(["kubeconfig"]);
  });

  it("when, without identifiers, its kubeconfig is not known yet", () => {
    expect(replaces({ kubeconfig: kubeconfig("https://one") }, { kubeconfig: UNKNOWN }).replaces).toEqual([
      "kubeconfig",
    ]);
  });
});

describe("a provider is updated in place", () => {
  it("when the identifier stays, whatever the kubeconfig becomes", () => {
    for (const next of [UNKNOWN, kubeconfig("https://two"), new Secret(kubeconfig("https://two"))]) {
      expect(
        replaces(
          { clusterIdentifier: "a", kubeconfig: kubeconfig("https://one") },
          { clusterIdentifier: "a", kubeconfig: next },
        ),
      ).toMatchObject({ changes: true, replaces: [] });
    }
  });

  it("when only the credentials change", () => {
    expect(
      replaces({ kubeconfig: kubeconfig("https://one") }, { kubeconfig: kubeconfig("https://one", { token: "new" }) }),
    ).toMatchObject({ changes: true, replaces: [] });
  });

  it("and stays as it is when nothing changes, marked secret or not", () => {
    expect(
      replaces({ kubeconfig: kubeconfig("https://one") }, { kubeconfig: new Secret(kubeconfig("https://one")) })
        .changes,
    ).toBe(false);
  });
});

describe("the provider's configuration", () => {
  it("comes as text or as values", () => {
    expect(parseConfig({ deleteUnreachable: "true", namespace: new Secret("n") })).toMatchObject({
      deleteUnreachable: true,
      namespace: "n",
    });
    expect(parseConfig({ deleteUnreachable: true })).toMatchObject({ deleteUnreachable: true });
    expect(parseConfig({})).toMatchObject({ deleteUnreachable: false, upsertExistingObjects: false });
  });

  it("is refused where this plugin cannot follow it", () => {
    expect(checkConfig({ renderYamlToDirectory: "out" }).failures).toEqual([
      { property: "renderYamlToDirectory", reason: expect.stringContaining("not implemented") as string },
    ]);
    expect(checkConfig({ enableServerSideApply: "false" }).failures).toHaveLength(1);
    expect(checkConfig({ kubeconfig: "x" }).failures).toEqual([]);
  });
});

describe("a kubeconfig", () => {
  it("is read from its text, with context and namespace", async () => {
    const connection = connect({ kubeconfig: kubeconfig("https://one") });
    expect(connection).toMatchObject({ cluster: { server: "https://one", insecure: false }, namespace: "n" });
    expect(await connection.credentials()).toMatchObject({ headers: { authorization: "Bearer t" } });
  });

  it("is read from a file, and files that it names beside it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
    try {
      writeFileSync(join(folder, "key.pem"), "KEY");
      writeFileSync(
        join(folder, "config"),
        kubeconfig("https://one", {
          "client-key": "key.pem",
          "client-certificate-data": Buffer.from("CERT").toString("base64"),
        }),
      );
      const { key, cert } = await connect({ kubeconfig: join(folder, "config") }).credentials();
      expect([String(key), String(cert)]).toEqual(["KEY", "CERT"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("may ask a program for credentials", async () => {
    const answer = JSON.stringify({ status: { token: "from-plugin" } });
    const connection = connect({
      kubeconfig: kubeconfig("https://one", {
        exec: { command: process.execPath, args: ["-e", `console.log(${JSON.stringify(answer)})`] },
      }),
    });
    expect((await connection.credentials()).headers).toEqual({ authorization: "Bearer from-plugin" });
  });

  it("without a cluster names the context", () => {
    expect(() => connect({ kubeconfig: kubeconfig("https://one"), context: "b" })).toThrow(
      /context "b" names no cluster/,
    );
  });

  it("that is not there is named", () => {
    expect(() => connect({ kubeconfig: "/nowhere/config" })).toThrow(/no kubeconfig at \/nowhere\/config/);
  });
});
