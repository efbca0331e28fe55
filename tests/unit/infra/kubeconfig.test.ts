import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { parse } from "yaml";
import { UserError } from "../../../infra/support/errors";
import { contextOf, kubeconfigFiles, parseKubeconfig, readKubeconfigs } from "../../../infra/support/kubeconfig";
import CASES from "./kubeconfigs.json";

/** Odd kubeconfigs, and what `kubectl config view --raw` (1.32) makes of them, with what is empty left out. */
interface Case {
  name: string;
  files: Record<string, string>;
  /** Names in KUBECONFIG, in order. */
  list: string[];
  merged: unknown;
  /** By context: `--flatten --minify --context NAME`. */
  alone?: Record<string, unknown>;
}
const cases = CASES as unknown as Case[];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-kubeconfig-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write({ files, list }: Pick<Case, "files" | "list">): string[] {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return kubeconfigFiles({ KUBECONFIG: list.map((name) => (name === "" ? "" : join(folder, name))).join(":") });
}

/** What is empty left out, entries by name: kubectl does not tell the two apart, and sorts. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal).sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value)
    .map(([key, entry]) => [key, normal(entry)] as const)
    .filter(
      ([, entry]) =>
        !(
          entry === null ||
          entry === "" ||
          entry === false ||
          entry === undefined ||
          (typeof entry === "object" && Object.keys(entry).length === 0)
        ),
    );
  return Object.fromEntries(kept);
}

function nameOf(entry: unknown): string {
  return (entry as { name?: string } | null)?.name ?? "";
}

/** Paths as kubectl shows them: relative to the file that they stand in. */
function shown(value: unknown, from: string): unknown {
  const text = JSON.stringify(value, (key, entry: unknown) => {
    if (key === "file" || (key === "apiVersion" && entry === "v1") || key === "kind") return undefined;
    return typeof entry === "string" && entry.startsWith(folder) ? relative(from, entry) : entry;
  });
  return normal(JSON.parse(text));
}

/** The same for what kubectl shows: `./x` is `x`. */
function plain(value: unknown): unknown {
  return normal(
    JSON.parse(
      JSON.stringify(value, (_, entry: unknown) => (typeof entry === "string" ? entry.replace(/^\.\//, "") : entry)),
    ),
  );
}

function outcome<T>(read: () => T): T | "refused" {
  try {
    return read();
  } catch (error) {
    expect(error).toMatchObject({ code: "E_KUBECONFIG" });
    expect((error as UserError).seen).not.toBe("");
    return "refused";
  }
}

describe("a kubeconfig is what kubectl makes of it", () => {
  test.each(cases)("$name", (each) => {
    const files = write(each);
    const from = dirname(files.at(-1)!);
    const merged = outcome(() => readKubeconfigs(files));
    expect(merged === "refused" ? merged : shown(merged, from)).toEqual(
      each.merged === "refused" ? each.merged : plain(each.merged),
    );
    for (const [name, alone] of Object.entries(each.alone ?? {})) {
      const ours = outcome(() => contextOf(readKubeconfigs(files), name)!.kubeconfig);
      expect(ours === "refused" ? ours : shown(parse(ours), from)).toEqual(plain(alone));
    }
  });

  const kubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
  (kubectl ? test : test.skip).each(cases)(
    `$name${kubectl ? ": as the kubectl of this host" : " (no kubectl on PATH)"}`,
    ({ files, list, merged }) => {
      write({ files, list });
      const { status, stdout } = spawnSync("kubectl", ["config", "view", "--raw", "-o", "json"], {
        encoding: "utf8",
        env: { ...process.env, KUBECONFIG: list.map((name) => name && join(folder, name)).join(":") },
      });
      if (status !== 0) {
        expect(merged).toBe("refused");
        return;
      }
      const {
        apiVersion: _v,
        kind: _k,
        preferences: _p,
        extensions: _e,
        ...view
      } = JSON.parse(stdout) as Record<string, unknown>;
      void [_v, _k, _p, _e];
      expect(normal(view)).toEqual(normal(merged));
    },
  );
});

describe("a context that stands alone", () => {
  const alone = (user: object, cluster: object = {}): string => {
    writeFileSync(
      join(folder, "config"),
      JSON.stringify({
        clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1", ...cluster } }],
        users: [{ name: "u", user }],
        contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
      }),
    );
    return contextOf(readKubeconfigs([join(folder, "config")]), "a", { PATH: process.env["PATH"] })!.kubeconfig;
  };

  test.each(["yes", "n", "null", "0o14", "12:30", "2001-01-01", "1e3", "a: b", "- x", "'", "ü", "x".repeat(500)])(
    "keeps the text %j a text for every parser of YAML",
    (token) => {
      expect(parseKubeconfig(alone({ token })).users[0]!.user.token).toBe(token);
      expect(alone({ token })).toContain(`token: ${JSON.stringify(token)}`);
    },
  );

  test("has absolute paths for a token file and a plugin beside the kubeconfig", () => {
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin", "plugin"), "#!/bin/sh\n", { mode: 0o755 });
    writeFileSync(join(folder, "token"), "t");
    const exec = { command: "bin/plugin", apiVersion: "client.authentication.k8s.io/v1", interactiveMode: "Never" };
    expect(parseKubeconfig(alone({ tokenFile: "token" })).users[0]!.user).toEqual({ tokenFile: join(folder, "token") });
    expect(parseKubeconfig(alone({ exec })).users[0]!.user.exec!.command).toBe(join(folder, "bin", "plugin"));
    expect(parseKubeconfig(alone({ exec: { ...exec, command: "node" } })).users[0]!.user.exec!.command).toBe("node");
  });

  const V1 = { apiVersion: "client.authentication.k8s.io/v1", interactiveMode: "Never", command: "node" };
  test.each<[string, object, object, string, string]>([
    ["no server", {}, { server: "" }, 'clusters["c"].server: it is missing', "the URL of an API server"],
    ["a server that is no URL", {}, { server: "ftp://h" }, 'clusters["c"].server: "ftp://h"', "http or https"],
    [
      "a proxy of an unknown kind",
      {},
      { "proxy-url": "ftp://me:secret@x" },
      'clusters["c"].proxy-url: "ftp://***@x"',
      "socks5://",
    ],
    [
      "an authority that is not there",
      {},
      { "certificate-authority": "ca.pem" },
      'clusters["c"].certificate-authority: there is no file',
      "a file that can be read",
    ],
    [
      "an authority that is none",
      {},
      { "certificate-authority-data": "YWFh" },
      'clusters["c"].certificate-authority-data: no certificate in PEM',
      "certificates in PEM",
    ],
    [
      "an authority given twice",
      {},
      { "certificate-authority-data": "YWFh", "certificate-authority": "x" },
      'clusters["c"].certificate-authority: it is set beside certificate-authority-data',
      "one of the two",
    ],
    [
      "an authority that is not to be asked",
      {},
      { "insecure-skip-tls-verify": true, "certificate-authority-data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t" },
      'clusters["c"].insecure-skip-tls-verify: true, beside',
      "one of the two",
    ],
    [
      "a certificate without a key",
      { "client-certificate-data": "YWFh" },
      {},
      'users["u"].client-key: it is missing',
      "client-key-data",
    ],
    [
      "a certificate and a key that are none",
      { "client-certificate-data": "YWFh", "client-key-data": "YWFh" },
      {},
      'users["u"].client-key-data: no private key',
      "a certificate in PEM",
    ],
    [
      "a token file that is not there",
      { tokenFile: "token" },
      {},
      'users["u"].tokenFile: there is no file',
      "a file that can be read",
    ],
    [
      "a token and a name",
      { token: "t", username: "me" },
      {},
      'users["u"].username: it is set beside a token',
      "one way",
    ],
    [
      "an auth provider of old",
      { "auth-provider": { name: "gcp" } },
      {},
      'users["u"].auth-provider: "gcp"',
      "gke-gcloud-auth-plugin",
    ],
    [
      "groups without a user to act as",
      { token: "t", "as-groups": ["x"] },
      {},
      'users["u"].as: it is missing',
      "the user to act as",
    ],
    [
      "a plugin without a version",
      { exec: { command: "node" } },
      {},
      'users["u"].exec.apiVersion: it is missing',
      "client.authentication.k8s.io/v1",
    ],
    [
      "a plugin of a removed version",
      { exec: { ...V1, apiVersion: "client.authentication.k8s.io/v1alpha1" } },
      {},
      'users["u"].exec.apiVersion: "client.authentication.k8s.io/v1alpha1"',
      "v1",
    ],
    [
      "a plugin that does not say whether it asks",
      { exec: { ...V1, interactiveMode: "" } },
      {},
      'users["u"].exec.interactiveMode: it is missing',
      "Never or IfAvailable",
    ],
    [
      "a plugin that must ask",
      { exec: { ...V1, interactiveMode: "Always" } },
      {},
      'users["u"].exec.interactiveMode: Always',
      "IfAvailable",
    ],
    [
      "a plugin that is not installed",
      { exec: { ...V1, command: "no-such-plugin", installHint: "apt install it" } },
      {},
      'users["u"].exec.command: there is no program no-such-plugin on PATH',
      "apt install it",
    ],
    ["a plugin whose path leads nowhere", { exec: { ...V1, command: "./plugin" } }, {}, "plugin", "installed"],
    [
      "a plugin without a program",
      { exec: { ...V1, command: "" } },
      {},
      'users["u"].exec.command: it is missing',
      "program",
    ],
  ])("is refused with %s, by file, entry and field", (_, user, cluster, seen, wanted) => {
    const error = outcomeOf(() => alone(user, cluster));
    expect(error).toMatchObject({
      code: "E_KUBECONFIG",
      seen: expect.stringContaining(seen),
      wanted: expect.stringContaining(wanted),
      next: expect.stringContaining("kubectl --kubeconfig"),
    });
    expect(error.seen).toContain(join(folder, "config"));
    expect(error.message).not.toContain("secret");
  });

  test("is refused with all that is wrong at once", () => {
    expect(
      outcomeOf(() =>
        alone({ tokenFile: "gone", "as-uid": "1" }, { "proxy-url": "x", "certificate-authority": "gone" }),
      ).seen,
    ).toMatch(/^4 problems:\n/);
  });

  test("may have a token beside a plugin that is missing, which is then never run", () => {
    expect(() => alone({ token: "t", exec: { command: "no-such-plugin" } })).not.toThrow();
  });
});

function outcomeOf(read: () => unknown): UserError {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("it was taken");
}
