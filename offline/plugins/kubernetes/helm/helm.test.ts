/** What of releases needs neither Helm nor a cluster; the rest is in release.test.ts. */
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parse } from "yaml";
import { decodeRecord, type HelmRecord, isCutOff } from "../../../../infra/support/helm-record";
import { Asset, Secret, UNKNOWN, type ValueMap } from "../../rpc/values";
import { checkConfig } from "../config";
import { chartSource, localChart, namesIn } from "./chart";
import type { Helm } from "./cli";
import { flagsOf } from "./flags";
import { completeInputs, refusals, secretTexts, valuesOf } from "./inputs";
import { portableKubeconfig } from "./kubeconfig";
import { diffRelease } from ".";
import { importedInputs, liveInputs, outputsOf } from "./state";

const complete = (news: ValueMap, olds: ValueMap = {}): ValueMap =>
  completeInputs({ name: "rel", news, olds, randomSeed: new Uint8Array() }, "default");
const record = (over: Partial<HelmRecord> = {}): HelmRecord => ({
  secret: "sh.helm.release.v1.r.v1",
  name: "r",
  namespace: "ns",
  revision: 1,
  status: "deployed",
  description: "",
  chart: { name: "c", version: "1.0.0", appVersion: "9" },
  values: {},
  manifest: "",
  hooks: [],
  labels: {},
  ...over,
});

describe("the inputs of a release", () => {
  it("get a name, a namespace and a timeout", () => {
    expect(complete({ chart: "./c" })).toEqual({
      chart: "./c",
      name: expect.stringMatching(/^rel-[0-9a-f]{8}$/) as string,
      namespace: "default",
      timeout: 300,
    });
    expect(complete({ chart: "./c" }, { name: "rel-1" }).name).toBe("rel-1");
    expect(complete({ chart: "./c", skipAwait: true, compat: "true" })).toEqual({
      chart: "./c",
      skipAwait: true,
      name: expect.any(String) as string,
      namespace: "default",
    });
  });

  it("take values from files, each over the one before, and the program's over all", () => {
    const files = [new Asset({ text: "a: {x: 1, y: 1}\nlist: [1, 2]\n" }), new Asset({ text: "a: {y: 2, z: 2}\n" })];
    expect(complete({ chart: "c", valueYamlFiles: files, values: { a: { z: 0 }, list: [] } }).values).toEqual({
      a: { x: 1, y: 2, z: 0 },
      list: [],
    });
  });

  it("keep what is secret secret: of the program where it is, of a file all", () => {
    const file = new Asset({ text: "user: u\n" });
    expect(complete({ chart: "c", valueYamlFiles: [file], values: { token: new Secret("t") } }).values).toEqual({
      user: "u",
      token: new Secret("t"),
    });
    expect(complete({ chart: "c", valueYamlFiles: [new Secret(file)] }).values).toEqual(new Secret({ user: "u" }));
    expect(complete({ chart: "c", valueYamlFiles: [file], values: new Secret({ token: "t" }) }).values).toEqual(
      new Secret({ user: "u", token: "t" }),
    );
    expect(secretTexts({ a: "open", b: [new Secret({ deep: "hidden" })] })).toEqual(["hidden"]);
  });

  it("lose what is null, unless null is said to mean something", () => {
    expect(valuesOf({ values: { a: null, b: { c: null, d: 1 } } })).toEqual({ b: { d: 1 } });
    expect(valuesOf({ values: { a: null }, allowNullValues: true })).toEqual({ a: null });
  });

  it.each([
    ["verify", true],
    ["keyring", "/k"],
    ["disableCRDHooks", true],
    ["manifest", {}],
  ])("are refused by name where the plugin has no %s", (name, value) => {
    expect(refusals({ chart: "c", [name]: value })).toEqual([
      {
        property: name,
        reason: expect.stringContaining(`"${name}" is not implemented by the registry-only plugin`) as string,
      },
    ]);
  });

  it("that only switch off what is refused are fine, and a chart must be named", () => {
    expect(refusals({ chart: "c", verify: false })).toEqual([]);
    expect(refusals({})).toEqual([{ property: "chart", reason: "a release needs a chart" }]);
  });
});

describe("Helm's flags", () => {
  it("wait and limit nothing unless the program says so", () => {
    expect(flagsOf("install", {}, 3)).toEqual(["--wait"]);
    expect(flagsOf("upgrade", {}, 3)).toEqual(["--wait", "--install", "--history-max", "0", "--reset-values"]);
    expect(flagsOf("install", { skipAwait: true, waitForJobs: true }, 3)).toEqual([]);
  });

  it("have other names in Helm 4", () => {
    const inputs = { atomic: true, forceUpdate: true, cleanupOnFail: true, maxHistory: 3, reuseValues: true };
    expect(flagsOf("upgrade", inputs, 3)).toEqual([
      "--wait",
      "--atomic",
      "--install",
      "--history-max",
      "3",
      "--cleanup-on-fail",
      "--force",
      "--reuse-values",
    ]);
    expect(flagsOf("upgrade", inputs, 4)).toEqual([
      "--wait",
      "--rollback-on-failure",
      "--install",
      "--history-max",
      "3",
      "--cleanup-on-fail",
      "--force-replace",
      "--reuse-values",
    ]);
    expect(() => flagsOf("upgrade", { recreatePods: true }, 4)).toThrow(/"recreatePods" is not in Helm 4/);
  });
});

describe("a chart's folder", () => {
  let folder: string;
  const checksum = async (): Promise<string> => (await localChart({} as Helm, chartSource({ chart: folder }))).checksum;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "chart-"));
    mkdirSync(join(folder, "templates"));
    writeFileSync(join(folder, "Chart.yaml"), "name: c\n");
    writeFileSync(join(folder, "templates", "a.yaml"), "a: 1\n");
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it("has another checksum when a file of it changes, moves or comes, and the same when an editor leaves something", async () => {
    const first = await checksum();
    writeFileSync(join(folder, "templates", ".a.yaml.swp"), "junk");
    expect(await checksum()).toBe(first);
    writeFileSync(join(folder, "templates", "a.yaml"), "a: 2\n");
    const second = await checksum();
    writeFileSync(join(folder, "templates", "b.yaml"), "");
    expect(new Set([first, second, await checksum()]).size).toBe(3);
  });

  it("that is not there is named with the folder from which it was looked for", async () => {
    await expect(localChart({} as Helm, chartSource({ chart: "./absent" }))).rejects.toThrow(
      /no chart at .\/absent, which is looked for from \//,
    );
  });
});

describe("a record of Helm", () => {
  const stored = {
    name: "r",
    namespace: "ns",
    version: 3,
    info: { status: "pending-upgrade", description: "Preparing upgrade" },
    chart: { metadata: { name: "c", version: "1.2.3", appVersion: "7" } },
    config: { a: 1 },
    manifest: "kind: X\n",
    hooks: [{ manifest: "kind: Job\n" }],
  };
  const secret = (content: Buffer) => ({
    metadata: { name: "s", namespace: "ns", labels: { owner: "helm" } },
    data: { release: Buffer.from(content.toString("base64")).toString("base64") },
  });

  it("is read packed or not", () => {
    const json = Buffer.from(JSON.stringify(stored));
    const read = decodeRecord(secret(gzipSync(json)));
    expect(read).toMatchObject({
      secret: "s",
      revision: 3,
      status: "pending-upgrade",
      chart: { name: "c", version: "1.2.3", appVersion: "7" },
      values: { a: 1 },
      hooks: ["kind: Job\n"],
      labels: { owner: "helm" },
    });
    expect(decodeRecord(secret(json))).toEqual(read);
    expect(() => decodeRecord({ metadata: { name: "s", namespace: "ns" } })).toThrow(/ns\/s holds no release/);
  });

  it.each([
    ["pending-install", true],
    ["pending-upgrade", true],
    ["pending-rollback", true],
    ["uninstalling", true],
    ["deployed", false],
    ["failed", false],
  ])("that is %s: cut off is %s", (status, cutOff) => {
    expect(isCutOff({ status })).toBe(cutOff);
  });

  it("names what it made by kind and version, as the official plugin does", () => {
    const manifest =
      "---\n# only a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, namespace: ns}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";
    expect(namesIn(manifest)).toEqual({ "ConfigMap/v1": ["a", "ns/b"], "Deployment.apps/apps/v1": ["d"] });
  });
});

describe("drift of a release", () => {
  const known: ValueMap = {
    name: "r",
    namespace: "ns",
    chart: "./c",
    checksum: "x",
    values: { a: { b: 1 }, token: new Secret("t") },
  };
  const diff = (inputs: ValueMap): string[] =>
    Object.keys(diffRelease({ ...outputRequest(inputs), news: known }).detailed ?? {});
  const outputRequest = (inputs: ValueMap) => ({
    urn: "u",
    name: "r",
    type: "t",
    id: "ns/r",
    olds: outputsOf(inputs, record()),
    oldInputs: inputs,
    ignoreChanges: [],
  });
  const status = { chart: "c", version: "1.0.0" };

  it("is none where nothing changed", () => {
    expect(liveInputs(known, status, record({ values: { a: { b: 1 }, token: "t" } }))).toEqual(known);
  });

  it("is seen in values, of which the secret ones stay so", () => {
    const seen = liveInputs(known, status, record({ values: { a: { b: 2 }, token: "other" } }));
    expect(seen.values).toEqual({ a: { b: 2 }, token: new Secret("other") });
    expect(diff(seen).sort()).toEqual(["values.a.b", "values.token"]);
  });

  it("is seen in the chart, with or without a version that the program names", () => {
    const other = record({
      values: { a: { b: 1 }, token: "t" },
      chart: { name: "c", version: "2.0.0", appVersion: "" },
    });
    expect(liveInputs(known, status, other)).toMatchObject({ checksum: "" });
    expect(liveInputs({ ...known, version: "1.0.0" }, status, other)).toMatchObject({ checksum: "", version: "2.0.0" });
  });

  it("is not seen in values that reuseValues brought from before", () => {
    expect(
      liveInputs(
        { ...known, reuseValues: true },
        status,
        record({ values: { a: { b: 1, more: 1 }, token: "t", older: true } }),
      ).values,
    ).toEqual(known.values);
  });

  it("is a replacement only for another name or namespace", () => {
    const replaced = diffRelease({ ...outputRequest(known), news: { ...known, namespace: "other", timeout: 1 } });
    expect(replaced).toMatchObject({ replaces: ["namespace"], deleteBeforeReplace: false });
    expect(diffRelease({ ...outputRequest(known), news: { ...known, values: UNKNOWN } })).toMatchObject({
      changes: true,
      replaces: [],
    });
  });

  it("has inputs for an import", () => {
    expect(importedInputs(record({ values: { a: 1 } }))).toEqual({
      name: "r",
      namespace: "ns",
      chart: "c",
      version: "1.0.0",
      timeout: 300,
      values: { a: 1 },
    });
  });
});

describe("the kubeconfig for Helm", () => {
  it("leads to the chosen context and cluster, and names files by their whole path", () => {
    const folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
    writeFileSync(
      join(folder, "config"),
      [
        "current-context: one",
        "contexts: [{name: one, context: {cluster: a, user: u}}, {name: two, context: {cluster: a, user: u}}]",
        "clusters: [{name: a, cluster: {server: 'https://a', certificate-authority: ca.pem}}, {name: b, cluster: {server: 'https://b'}}]",
        "users: [{name: u, user: {client-key: keys/u.pem, exec: {command: ./login, apiVersion: v1}}}]",
      ].join("\n"),
    );
    expect(
      parse(portableKubeconfig({ kubeconfig: join(folder, "config"), context: "two", cluster: "b" })),
    ).toMatchObject({
      "current-context": "two",
      contexts: [{ context: { cluster: "a" } }, { name: "two", context: { cluster: "b", user: "u" } }],
      clusters: [{ cluster: { "certificate-authority": join(folder, "ca.pem") } }, {}],
      users: [{ user: { "client-key": join(folder, "keys/u.pem"), exec: { command: join(folder, "login") } } }],
    });
    rmSync(folder, { recursive: true });
  });
});

it("a driver whose releases the plugin cannot read is refused", () => {
  expect(checkConfig({ helmReleaseSettings: JSON.stringify({ driver: "sql" }) }).failures).toEqual([
    { property: "helmReleaseSettings", reason: expect.stringContaining('driver "sql"') as string },
  ]);
  expect(checkConfig({ helmReleaseSettings: JSON.stringify({ driver: "secret" }) }).failures).toEqual([]);
});
