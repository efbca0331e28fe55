import { execFileSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { chooseContext } from "../../../infra/backends/contexts";
import { objectionTo } from "../../../infra/backends/local-contexts";
import { readConfig } from "../../../infra/config";
import { type ErrorCode, UserError } from "../../../infra/support/errors";
import { contextOf, kubeconfigFiles, readKubeconfigs } from "../../../infra/support/kubeconfig";

/** Only its frame is looked at before a connection is made. */
const AUTHORITY = "-----BEGIN CERTIFICATE-----\n";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-contexts-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A kubeconfig file with one context and one cluster for each entry, the first being the current one. */
function kubeconfig(
  name: string,
  contexts: Record<string, string>,
  user: object = { token: `token-of-${name}` },
): string {
  const file = join(folder, name);
  writeFileSync(
    file,
    stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": Object.keys(contexts)[0] ?? "",
      contexts: Object.keys(contexts).map((context) => ({
        name: context,
        context: { cluster: `cluster-${context}`, user: `user-of-${name}` },
      })),
      clusters: Object.entries(contexts).map(([context, server]) => ({
        name: `cluster-${context}`,
        cluster: { server, "certificate-authority": "ca.crt" },
      })),
      users: [{ name: `user-of-${name}`, user }],
    }),
  );
  writeFileSync(join(folder, "ca.crt"), AUTHORITY);
  return file;
}

const settingsOf = (config: Record<string, string>) => ({ settings: readConfig(config, "existing"), root: folder });

function refusal(choose: () => unknown): { code: ErrorCode; seen: string; next: string } {
  try {
    choose();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("the context was accepted");
}

describe("the context of a stack", () => {
  test("is the current one where none is named, if it is a local one on a local address", () => {
    kubeconfig("config", { "kind-dev": "https://127.0.0.1:6443", other: "https://10.0.0.1:6443" });
    expect(chooseContext(settingsOf({ kubeconfig: "config" }))).toMatchObject({
      name: "kind-dev",
      server: "https://127.0.0.1:6443",
    });
  });

  test.each([
    ["has a name that no local tool gives", { production: "https://127.0.0.1:6443" }],
    ["has a local tool's name and a public address", { "kind-dev": "https://api.example.com:6443" }],
    ["has a local tool's name and a public address without a scheme", { "kind-dev": "api.example.com:6443" }],
  ])("is refused when the current one %s", (_, contexts) => {
    kubeconfig("config", contexts as unknown as Record<string, string>);
    const { code, seen, next } = refusal(() => chooseContext(settingsOf({ kubeconfig: "config" })));
    expect([code, seen]).toEqual(["E_CONTEXT_NOT_ALLOWED", expect.stringContaining(Object.keys(contexts)[0]!)]);
    expect(next).toContain(`kubeContext ${Object.keys(contexts)[0]!}`);
  });

  test("is refused behind a proxy, its own or the environment's: the proxy decides what a local address leads to", () => {
    kubeconfig("config", { "kind-dev": "https://127.0.0.1:6443" });
    writeFileSync(
      join(folder, "config"),
      readFileSync(join(folder, "config"), "utf8").replace("server:", "proxy-url: http://bastion:8080\n      server:"),
    );
    expect(refusal(() => chooseContext(settingsOf({ kubeconfig: "config" })))).toMatchObject({
      code: "E_CONTEXT_NOT_ALLOWED",
      seen: expect.stringContaining("through the proxy http://bastion:8080"),
    });
    expect(chooseContext(settingsOf({ kubeconfig: "config", kubeContext: "kind-dev" }))).toMatchObject({
      proxy: "http://bastion:8080",
    });
    expect(
      objectionTo({ name: "kind-dev", server: "https://127.0.0.1:6443", proxy: "http://bastion:8080" }, []),
    ).toContain("proxy");
  });

  test("that is not allowed is not looked into: a slip in its user is not told, and no file of it is read", () => {
    kubeconfig("config", { production: "https://api.example.com" }, { "client-key": "nowhere" });
    expect(refusal(() => chooseContext(settingsOf({ kubeconfig: "config" }))).code).toBe("E_CONTEXT_NOT_ALLOWED");
    expect(refusal(() => chooseContext(settingsOf({ kubeconfig: "config", kubeContext: "production" })))).toMatchObject(
      { code: "E_KUBECONFIG", seen: expect.stringContaining('users["user-of-config"].client-key: there is no file') },
    );
  });

  test.each([
    ["is named itself", { kubeContext: "production" }],
    ["is on the stack's own list", { allowedContexts: '["production"]' }],
  ])("may be any that %s", (_, config) => {
    kubeconfig("config", { production: "https://api.example.com" });
    expect(chooseContext(settingsOf({ kubeconfig: "config", ...config })).name).toBe("production");
  });

  test("that does not exist is an error that lists those that do", () => {
    kubeconfig("config", { "kind-dev": "https://127.0.0.1:6443" });
    expect(refusal(() => chooseContext(settingsOf({ kubeconfig: "config", kubeContext: "kind-old" })))).toMatchObject({
      code: "E_CONTEXT_MISSING",
      seen: expect.stringMatching(/"kind-old".*config/),
      wanted: expect.stringContaining("kind-dev"),
    });
    expect(refusal(() => chooseContext(settingsOf({ kubeconfig: "nowhere" })))).toMatchObject({
      code: "E_KUBECONFIG",
      seen: expect.stringContaining("nowhere: there is no such file"),
    });
    expect(refusal(() => chooseContext(settingsOf({ kubeconfig: "config" }), ["docker-desktop"]))).toMatchObject({
      code: "E_CONTEXT_MISSING",
      seen: expect.stringContaining("docker-desktop"),
    });
  });

  test("in a file that is no kubeconfig is an error that names the file", () => {
    writeFileSync(join(folder, "config"), "a: b: c");
    expect(refusal(() => chooseContext(settingsOf({ kubeconfig: "config" })))).toMatchObject({
      code: "E_KUBECONFIG",
      seen: expect.stringMatching(/config: /),
    });
  });

  test("of Docker Desktop is the one of its names that there is, whatever the current one is", () => {
    kubeconfig("config", {
      other: "https://127.0.0.1:1",
      "docker-for-desktop": "https://kubernetes.docker.internal:6443",
    });
    expect(chooseContext(settingsOf({ kubeconfig: "config" }), ["docker-desktop", "docker-for-desktop"]).name).toBe(
      "docker-for-desktop",
    );
  });
});

describe("kubeconfig files", () => {
  test("are those of KUBECONFIG, in order, else the one in the user's home", () => {
    expect(kubeconfigFiles({ KUBECONFIG: "/a:/b" })).toEqual(["/a", "/b"]);
    expect(kubeconfigFiles({ KUBECONFIG: "/a::/b:/a" })).toEqual(["/a", "/b"]);
    expect(kubeconfigFiles({ KUBECONFIG: ":" })).toEqual([]);
    expect(kubeconfigFiles({ KUBECONFIG: "", HOME: "/home/me" })).toEqual(["/home/me/.kube/config"]);
  });

  test("are merged: the first entry of a name counts, and a missing file is empty", () => {
    const files = [
      kubeconfig("a", { one: "https://127.0.0.1:1" }),
      join(folder, "none"),
      kubeconfig("b", { one: "https://127.0.0.1:2", two: "https://127.0.0.1:3" }),
    ];
    const merged = readKubeconfigs(files);
    expect(merged["current-context"]).toBe("one");
    expect(contextOf(merged, "one")!.server).toBe("https://127.0.0.1:1");
    expect(contextOf(merged, "two")!.server).toBe("https://127.0.0.1:3");
  });

  test("give a context that stands alone: nobody else's credentials, and files' contents in place of paths", () => {
    mkdirSync(join(folder, "keys"));
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        join(folder, "keys", "me.key"),
        "-out",
        join(folder, "keys", "me.crt"),
        "-days",
        "1",
        "-subj",
        "/CN=me",
      ],
      { stdio: "ignore" },
    );
    const files = [
      kubeconfig(
        "a",
        { one: "https://127.0.0.1:1" },
        { "client-key": "keys/me.key", "client-certificate": "keys/me.crt" },
      ),
      kubeconfig("b", { two: "https://127.0.0.1:2" }),
    ];
    const alone = parse(contextOf(readKubeconfigs(files), "one")!.kubeconfig) as Record<string, unknown>;
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    expect(alone).toMatchObject({
      "current-context": "one",
      clusters: [{ cluster: { "certificate-authority-data": base64(AUTHORITY) } }],
      users: [
        {
          user: {
            "client-key-data": base64(readFileSync(join(folder, "keys", "me.key"), "utf8")),
            "client-certificate-data": base64(readFileSync(join(folder, "keys", "me.crt"), "utf8")),
          },
        },
      ],
    });
    expect(JSON.stringify(alone)).not.toContain("token-of-b");
  });
});
