import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer, type Server } from "node:http";
import { createServer, type Server as SecureServer } from "node:https";
import { createServer as createSocketServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { stringify } from "yaml";
import { probeBackends } from "../../../cli/probe/probe";
import { parseInfo } from "../../../cli/probe/docker";
import { findContext } from "../../../cli/probe/kubeconfig";
import { reach } from "../../../cli/probe/server";
import { onPath } from "../../../cli/probe/tools";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-probe-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === "string" ? content : stringify(content));
  return file;
}

const cluster = (name: string, server: string, more: object = {}) => ({ name, cluster: { server, ...more } });
const context = (name: string, of: string) => ({ name, context: { cluster: of, user: "u" } });

describe("the current context", () => {
  test("is that of the one file", () => {
    const file = write("one", {
      "current-context": "a",
      contexts: [context("a", "c")],
      clusters: [cluster("c", "https://127.0.0.1:1")],
    });
    expect(findContext({ KUBECONFIG: file })).toEqual({
      files: [file],
      context: { name: "a", server: "https://127.0.0.1:1", cluster: { server: "https://127.0.0.1:1" } },
    });
  });

  test("is put together from several files, of which the first that says a thing wins", () => {
    const first = write("first", { "current-context": "a", clusters: [cluster("c", "https://first")] });
    const second = write("second", {
      "current-context": "b",
      contexts: [context("a", "c"), context("b", "c")],
      clusters: [cluster("c", "https://second")],
    });
    const missing = join(folder, "missing");
    expect(findContext({ KUBECONFIG: [missing, first, second].join(delimiter) }).context).toMatchObject({
      name: "a",
      server: "https://first",
    });
  });

  test("is that of the file which the configuration names, whatever KUBECONFIG says", () => {
    const other = write("other", {
      "current-context": "o",
      contexts: [context("o", "c")],
      clusters: [cluster("c", "https://other")],
    });
    expect(findContext({ KUBECONFIG: join(folder, "one") }, { file: other })).toMatchObject({
      files: [other],
      context: { name: "o" },
    });
  });

  test("gives way to the one that the configuration names", () => {
    const file = write("two", {
      "current-context": "a",
      contexts: [context("a", "c"), context("b", "d")],
      clusters: [cluster("c", "https://c"), cluster("d", "https://d")],
    });
    expect(findContext({ KUBECONFIG: file }, { context: "b" }).context).toMatchObject({
      name: "b",
      server: "https://d",
    });
  });

  test("comes with its proxy and its authority, whose path starts at the file's folder", () => {
    write("ca.pem", "-----BEGIN CERTIFICATE-----");
    const file = write("with-ca", {
      "current-context": "a",
      contexts: [context("a", "c")],
      clusters: [
        cluster("c", "https://x", {
          "certificate-authority": "ca.pem",
          "proxy-url": "http://me:secret@p",
          "tls-server-name": "name",
        }),
      ],
    });
    expect(findContext({ KUBECONFIG: file }).context).toMatchObject({
      proxy: "http://p",
      cluster: { "certificate-authority": join(folder, "ca.pem"), "tls-server-name": "name" },
    });
  });

  test("that no file describes, and a file that is no YAML, are problems and no crash", () => {
    expect(findContext({ KUBECONFIG: write("dangling", { "current-context": "gone" }) }).problem).toBe(
      "context gone, or its cluster, is in no kubeconfig file",
    );
    expect(findContext({ KUBECONFIG: write("broken", "{ a: [") }).problem).toMatch(
      /^the kubeconfig cannot be used: .*broken: /,
    );
  });

  test("is nothing in an empty file", () => {
    expect(findContext({ KUBECONFIG: write("empty", "") })).not.toHaveProperty("context");
  });
});

describe("an API server", () => {
  let secure: SecureServer;
  let plain: Server;
  const silent = createSocketServer();
  const sockets = new Set<Socket>();
  const at = (server: { address(): AddressInfo | string | null }, scheme = "https") =>
    `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let certificate: Buffer;

  beforeAll(async () => {
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        join(folder, "key.pem"),
        "-out",
        join(folder, "cert.pem"),
        "-days",
        "1",
        "-subj",
        "/CN=probe",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
      ],
      { stdio: "ignore" },
    );
    certificate = readFileSync(join(folder, "cert.pem"));
    secure = createServer({ key: readFileSync(join(folder, "key.pem")), cert: certificate }, (request, response) => {
      response.writeHead(request.url === "/version" ? 401 : 404).end();
    });
    plain = createPlainServer((_, response) => {
      response.end();
    });
    silent.on("connection", (socket) => {
      sockets.add(socket);
    });
    await Promise.all(
      [secure, plain, silent].map(
        (server) =>
          new Promise<void>((done) => {
            server.listen(0, "127.0.0.1", done);
          }),
      ),
    );
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of [secure, plain, silent]) server.close();
  });

  test("answers when it refuses", async () => {
    await expect(
      reach({ server: at(secure), "certificate-authority-data": certificate.toString("base64") }),
    ).resolves.toEqual({ reachable: true, answer: "HTTP 401" });
  });

  test("is not there when somebody else's certificate answers", async () => {
    await expect(reach({ server: at(secure) })).resolves.toMatchObject({
      reachable: false,
      answer: expect.stringContaining("SELF_SIGNED"),
    });
  });

  test("is taken with any certificate where the kubeconfig says so", async () => {
    await expect(reach({ server: at(secure), "insecure-skip-tls-verify": true })).resolves.toMatchObject({
      reachable: true,
    });
  });

  test("may speak plain HTTP", async () => {
    await expect(reach({ server: at(plain, "http") })).resolves.toMatchObject({ reachable: true });
  });

  test("that refuses the connection, or has no address, is not there", async () => {
    await expect(reach({ server: "https://127.0.0.1:1" })).resolves.toEqual({
      reachable: false,
      answer: "ECONNREFUSED",
    });
    await expect(reach({ server: "" })).resolves.toEqual({ reachable: false, answer: "no server is named" });
  });

  test("that takes the connection and says nothing is given up at the deadline", async () => {
    await expect(reach({ server: at(silent), "insecure-skip-tls-verify": true }, 200)).resolves.toEqual({
      reachable: false,
      answer: "no answer within 0.2 s",
    });
  });
});

describe("the facts of a host", () => {
  test("hold no answer of a server that may not be used, because it was not asked", async () => {
    let asked = 0;
    const server = createPlainServer((_, response) => {
      asked += 1;
      response.end();
    });
    await new Promise<void>((done) => {
      server.listen(0, "127.0.0.1", done);
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const of = (name: string) =>
      probeBackends({
        KUBECONFIG: write(`of-${name}`, {
          "current-context": name,
          contexts: [context(name, "c")],
          clusters: [cluster("c", url)],
        }),
        PATH: "",
      });
    expect((await of("prod")).context).toMatchObject({
      reachable: false,
      answer: "not asked, because it may not be used",
    });
    expect(asked).toBe(0);
    expect((await of("kind-dev")).context).toMatchObject({ reachable: true, server: url });
    expect(asked).toBe(1);
    server.close();
  });
});

describe("a Docker daemon", () => {
  const info = (raw: object) => parseInfo(JSON.stringify({ ServerVersion: "29.0.0", ...raw }), 0);

  test("that no server is behind gives nothing", () => {
    expect(parseInfo('{"ServerErrors":["Cannot connect"]}', 0)).toBeUndefined();
    expect(parseInfo("not JSON", 0)).toBeUndefined();
  });

  test.each([
    [
      "rootless",
      { SecurityOptions: ["name=seccomp,profile=builtin", "name=rootless"] },
      { rootless: true, remapped: false },
    ],
    ["with remapped users", { SecurityOptions: ["name=userns"] }, { rootless: false, remapped: true }],
    [
      "with containerd's image store",
      { Driver: "overlayfs", DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]] },
      { store: { driver: "overlayfs", containerd: true } },
    ],
    [
      "with a graph driver",
      { Driver: "overlay2", DriverStatus: [["Backing Filesystem", "extfs"]] },
      { store: { driver: "overlay2", containerd: false } },
    ],
    ["on another machine", { KernelVersion: "1.0-other" }, { here: false }],
    ["whose clock is ahead", { SystemTime: "1970-01-01T00:01:00Z" }, { clockAhead: 60_000 }],
  ])("%s is told by what it says of itself", (_, raw, facts) => {
    expect(info(raw)).toMatchObject(facts);
  });
});

describe("a program", () => {
  test("is found on PATH when it can be run, and not otherwise", async () => {
    write("notes", "text");
    expect(await onPath("node", { PATH: `${folder}${delimiter}${process.execPath.replace(/\/node$/, "")}` })).toBe(
      process.execPath,
    );
    expect(await onPath("notes", { PATH: folder })).toBeUndefined();
    expect(await onPath("node", {})).toBeUndefined();
  });
});
