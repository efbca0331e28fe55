jest.setTimeout(20_000);
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http, { type IncomingHttpHeaders } from "node:http";
import https from "node:https";
import net, { type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { runExecPlugin } from "../../../infra/support/kube-exec";
import { call, transportOf } from "../../../infra/support/kube-transport";
import { contextOf, readKubeconfigs } from "../../../infra/support/kubeconfig";
import { proxyOf } from "../../../infra/support/proxy";

interface Seen {
  path: string;
  headers: IncomingHttpHeaders;
  subject: string;
}

let folder: string;
let [key, cert] = ["", ""];
let [secure, plain]: [https.Server, http.Server] = [undefined!, undefined!];
let seen: Seen[] = [];
const open = new Set<Duplex>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-transport-"));
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
      "/CN=me",
      "-addext",
      "subjectAltName=IP:127.0.0.1,DNS:kube.test,DNS:localhost",
    ],
    { stdio: "ignore" },
  );
  [key, cert] = [readFileSync(join(folder, "key.pem"), "utf8"), readFileSync(join(folder, "cert.pem"), "utf8")];
  const answer = (request: http.IncomingMessage, response: http.ServerResponse) => {
    const peer = (request.socket as TLSSocket).getPeerCertificate?.() as { subject?: { CN?: string } } | undefined;
    seen.push({ path: request.url!, headers: request.headers, subject: peer?.subject?.CN ?? "" });
    response
      .setHeader("content-type", "application/json")
      .writeHead(request.headers.authorization === "Bearer old" ? 401 : 200)
      .end('{"kind":"Status"}');
  };
  secure = https.createServer({ key, cert, requestCert: true, rejectUnauthorized: false }, answer);
  plain = http.createServer(answer);
  await Promise.all([listen(secure), listen(plain)]);
});
beforeEach(() => {
  seen = [];
});
afterAll(() => {
  for (const socket of open) socket.destroy();
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

const servers: Server[] = [];
async function listen<S extends Server>(server: S): Promise<S> {
  servers.push(server);
  server.on("connection", (socket: Duplex) => {
    open.add(socket);
  });
  await new Promise<void>((done) => {
    server.listen(0, "127.0.0.1", done);
  });
  return server;
}
const portOf = (server: Server) => (server.address() as AddressInfo).port;
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A kubeconfig file in this test's folder, and its one context. */
function kubeconfig(user: object, cluster: object = {}): { file: string; kubeconfig: string } {
  const file = join(folder, "config");
  writeFileSync(
    file,
    JSON.stringify({
      "current-context": "a",
      contexts: [{ name: "a", context: { cluster: "c", user: "u" } }],
      users: [{ name: "u", user }],
      clusters: [
        {
          name: "c",
          cluster: {
            server: `https://127.0.0.1:${portOf(secure)}`,
            ...("insecure-skip-tls-verify" in cluster ? {} : { "certificate-authority": "cert.pem" }),
            ...cluster,
          },
        },
      ],
    }),
  );
  return { file, kubeconfig: contextOf(readKubeconfigs([file]), "a")!.kubeconfig };
}

async function ask(
  user: object,
  cluster: object = {},
  options: { env?: NodeJS.ProcessEnv; deadline?: number; path?: string } = {},
): Promise<number> {
  const transport = transportOf(kubeconfig(user, cluster).kubeconfig, options.env ?? {});
  try {
    return (
      await call(transport, {
        path: options.path ?? "/version",
        ...(options.deadline ? { deadline: options.deadline } : {}),
      })
    ).status;
  } finally {
    transport.close();
  }
}

function program(name: string, script: string): string {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, name), 0o755);
  return `./${name}`;
}
const V1 = { apiVersion: "client.authentication.k8s.io/v1", interactiveMode: "Never" };
const credential = (status: object) =>
  `echo '${JSON.stringify({ apiVersion: V1.apiVersion, kind: "ExecCredential", status })}'`;

describe("what a server gets", () => {
  const users = (
    [
      ["a token", () => ({ token: "abc" })],
      [
        "the token of a file beside the kubeconfig",
        () => {
          writeFileSync(join(folder, "tok"), "from-file\n");
          return { tokenFile: "tok" };
        },
      ],
      [
        "a token file before a token",
        () => {
          writeFileSync(join(folder, "tok"), "newer");
          return { token: "older", tokenFile: "tok" };
        },
      ],
      ["a token where its file is missing", () => ({ token: "abc", tokenFile: "no-such-file" })],
      ["a name and a password", () => ({ username: "me", password: "päss:word" })],
      ["a certificate", () => ({ "client-certificate": "cert.pem", "client-key-data": base64(key) })],
      [
        "a user to act as, with groups, a uid and more",
        () => ({
          token: "abc",
          as: "joe",
          "as-uid": "7",
          "as-groups": ["a", "b"],
          "as-user-extra": { reason: ["x", "y"] },
        }),
      ],
      [
        "a token of a plugin beside the kubeconfig",
        () => ({ exec: { ...V1, command: program("plugin", credential({ token: "made" })) } }),
      ],
      [
        "a token of a plugin by its own environment and arguments",
        () => ({
          exec: {
            ...V1,
            command: program("words", `${credential({ token: "X" })} | sed "s/X/$WHO-$1/"`),
            args: ["arg"],
            env: [{ name: "WHO", value: "me" }],
          },
        }),
      ],
      [
        "a certificate of a plugin",
        () => ({ exec: { ...V1, command: program("certs", `cat "$(dirname "$0")/exec.json"`) } }),
      ],
      [
        "what a plugin was told of the cluster",
        () => ({
          exec: {
            ...V1,
            provideClusterInfo: true,
            command: program(
              "info",
              `${credential({ token: "X" })} | sed "s/X/$(echo "$KUBERNETES_EXEC_INFO" | grep -o audience-of-it | head -1)/"`,
            ),
          },
        }),
        { extensions: [{ name: "client.authentication.k8s.io/exec", extension: { audience: "audience-of-it" } }] },
      ],
      [
        "nothing at all without TLS, as credentials would be read on the way",
        () => ({ token: "abc" }),
        { server: "http" },
      ],
      ["a user to act as without TLS", () => ({ token: "abc", as: "joe" }), { server: "http" }],
      ["a path before that of the API, without query", () => ({ token: "abc" }), { server: "prefix" }],
      ["a request to host:port, which has no TLS even with an authority", () => ({ token: "abc" }), { server: "bare" }],
    ] as [string, () => object, object?][]
  ).map(([name, user, cluster = {}]) => [name, user, cluster] as const);
  const kubectl = (() => {
    try {
      return execFileSync("kubectl", ["version", "--client"], { stdio: "ignore" }) === null;
    } catch {
      return false;
    }
  })();

  function place(cluster: { server?: string } = {}): object {
    const of: Record<string, object> = {
      http: { server: `http://127.0.0.1:${portOf(plain)}` },
      prefix: { server: `https://127.0.0.1:${portOf(secure)}/pre/fix/?a=b` },
      bare: { server: `127.0.0.1:${portOf(plain)}` },
    };
    return cluster.server ? of[cluster.server]! : cluster;
  }
  const essence = ({ path, headers, subject }: Seen) => ({
    path: path.replace(/\?.*/, ""),
    subject,
    authorization: headers.authorization,
    ...Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("impersonate-"))),
  });
  const EXPECTED: Record<string, object> = {
    "a token": { authorization: "Bearer abc" },
    "the token of a file beside the kubeconfig": { authorization: "Bearer from-file" },
    "a token file before a token": { authorization: "Bearer newer" },
    "a name and a password": { authorization: `Basic ${base64("me:päss:word")}` },
    "a certificate": { subject: "me" },
    "a token of a plugin by its own environment and arguments": { authorization: "Bearer me-arg" },
    "a certificate of a plugin": { subject: "me" },
    "what a plugin was told of the cluster": { authorization: "Bearer audience-of-it" },
    "a user to act as, with groups, a uid and more": {
      "impersonate-user": "joe",
      "impersonate-uid": "7",
      "impersonate-group": "a, b",
      "impersonate-extra-reason": "x, y",
    },
    "nothing at all without TLS, as credentials would be read on the way": { authorization: undefined },
    "a path before that of the API, without query": { path: "/pre/fix/version" },
  };

  beforeAll(() => {
    writeFileSync(
      join(folder, "exec.json"),
      JSON.stringify({
        apiVersion: V1.apiVersion,
        kind: "ExecCredential",
        status: { clientCertificateData: cert, clientKeyData: key },
      }),
    );
  });

  test.each(users)("%s", async (name, user, cluster) => {
    expect(await ask(user(), place(cluster))).toBe(200);
    expect(essence(seen.at(-1)!)).toMatchObject(EXPECTED[name] ?? {});
  });

  (kubectl ? test : test.skip).each(users)(
    `%s, as from kubectl${kubectl ? "" : " (no kubectl on PATH)"}`,
    async (_, user, cluster) => {
      await ask(user(), place(cluster));
      const ours = essence(seen.at(-1)!);
      await promisify(execFile)(
        "kubectl",
        ["--kubeconfig", kubeconfig(user(), place(cluster)).file, "get", "--raw", "/version"],
        { env: { PATH: process.env["PATH"], HOME: folder } },
      );
      // `get --raw` itself drops what stands before the API's paths.
      expect({ ...ours, path: "/version" }).toEqual(essence(seen.at(-1)!));
    },
  );

  test("the token that is in the file now, not the one that was", async () => {
    writeFileSync(join(folder, "tok"), "one");
    const transport = transportOf(kubeconfig({ tokenFile: "tok" }).kubeconfig, {});
    await call(transport, { path: "/" });
    writeFileSync(join(folder, "tok"), "two");
    await call(transport, { path: "/" });
    transport.close();
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer one", "Bearer two"]);
  });

  test("credentials of a plugin that it asked for again, once the server refused the first, and only then", async () => {
    const command = program(
      "twice",
      `if [ -e "$0.ran" ]; then ${credential({ token: "fresh" })}; else touch "$0.ran"; ${credential({ token: "old" })}; fi`,
    );
    const transport = transportOf(kubeconfig({ exec: { ...V1, command } }).kubeconfig, {});
    expect((await call(transport, { path: "/" })).status).toBe(200);
    await call(transport, { path: "/" });
    transport.close();
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(["Bearer old", "Bearer fresh", "Bearer fresh"]);
  });
});

describe("a proxy", () => {
  /** CONNECT, or whole URLs; `kube.test` is a name that it alone can resolve. */
  function httpProxy(server: http.Server, asked: string[]): http.Server {
    const home = (host: string | undefined) => (host === "kube.test" ? "127.0.0.1" : host);
    return server
      .on("connect", (request, socket: Duplex, head: Buffer) => {
        asked.push(`CONNECT ${request.url!} ${request.headers["proxy-authorization"] ?? "-"}`);
        const [host, port] = request.url!.split(":");
        const upstream = net.connect(Number(port), home(host), () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          upstream.write(head);
          upstream.pipe(socket).pipe(upstream);
        });
        upstream.on("error", () => {
          socket.destroy();
        });
        socket.on("error", () => {
          upstream.destroy();
        });
      })
      .on("request", (request, response) => {
        asked.push(`GET ${request.url!} ${request.headers["proxy-authorization"] ?? "-"}`);
        const url = new URL(request.url!);
        http.get({ host: home(url.hostname), port: url.port, path: url.pathname }, (answer) => {
          response.writeHead(answer.statusCode!);
          answer.pipe(response);
        });
      });
  }

  test.each(["http", "https"])(
    "over %s is asked for a connection, with its own name and password, and resolves the server's name",
    async (scheme) => {
      const asked: string[] = [];
      const proxy = await listen(
        httpProxy(
          scheme === "http" ? http.createServer() : (https.createServer({ key, cert }) as unknown as http.Server),
          asked,
        ),
      );
      expect(
        await ask(
          { token: "t" },
          {
            server: `https://kube.test:${portOf(secure)}`,
            "proxy-url": `${scheme}://me:pw@localhost:${portOf(proxy)}`,
          },
        ),
      ).toBe(200);
      expect(asked).toEqual([`CONNECT kube.test:${portOf(secure)} Basic ${base64("me:pw")}`]);
      expect(seen.at(-1)!.headers.authorization).toBe("Bearer t");
    },
  );

  test("for a server without TLS gets the whole URL", async () => {
    const asked: string[] = [];
    const proxy = await listen(httpProxy(http.createServer(), asked));
    expect(
      await ask(
        {},
        { server: `http://kube.test:${portOf(plain)}`, "proxy-url": `http://me:pw@127.0.0.1:${portOf(proxy)}` },
      ),
    ).toBe(200);
    expect(asked).toEqual([`GET http://kube.test:${portOf(plain)}/version Basic ${base64("me:pw")}`]);
  });

  test("over socks5 resolves the server's name itself", async () => {
    const asked: string[] = [];
    const proxy = await listen(
      net.createServer((socket) => {
        socket.once("data", () => {
          socket.write(Buffer.from([5, 0]));
          socket.once("data", (request: Buffer) => {
            const host = request[3] === 3 ? request.subarray(5, 5 + request[4]!).toString() : "an address";
            asked.push(host);
            const upstream = net.connect(request.readUInt16BE(request.length - 2), "127.0.0.1", () => {
              socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
              upstream.pipe(socket).pipe(upstream);
            });
            socket.on("error", () => {
              upstream.destroy();
            });
          });
        });
      }),
    );
    expect(
      await ask(
        { token: "t" },
        { server: `https://kube.test:${portOf(secure)}`, "proxy-url": `socks5://127.0.0.1:${portOf(proxy)}` },
      ),
    ).toBe(200);
    expect(asked).toEqual(["kube.test"]);
  });

  test("of the environment is used for what is not loopback", async () => {
    const asked: string[] = [];
    const proxy = await listen(httpProxy(http.createServer(), asked));
    const env = { HTTPS_PROXY: `http://127.0.0.1:${portOf(proxy)}` };
    expect(await ask({ token: "t" }, { server: `https://kube.test:${portOf(secure)}` }, { env })).toBe(200);
    expect(await ask({ token: "t" }, {}, { env })).toBe(200);
    expect(asked).toHaveLength(1);
  });

  test.each<[string, NodeJS.ProcessEnv, string]>([
    ["https://10.0.0.1", { HTTPS_PROXY: "http://p:1" }, "http://p:1 (HTTPS_PROXY)"],
    ["https://10.0.0.1", { https_proxy: "p:1" }, "http://p:1 (HTTPS_PROXY)"],
    ["https://10.0.0.1", { HTTP_PROXY: "http://p:1" }, "none"],
    ["http://10.0.0.1", { HTTP_PROXY: "http://u:pw@p:1" }, "http://p:1 (HTTP_PROXY)"],
    ["https://localhost:1", { HTTPS_PROXY: "http://p:1" }, "none"],
    ["https://127.8.0.1:1", { HTTPS_PROXY: "http://p:1" }, "none"],
    ["https://[::1]:1", { HTTPS_PROXY: "http://p:1" }, "none"],
    ...(["*", "10.0.0.0/8", "10.0.0.1", "x, 10.0.0.1:443"] as const).map((no): [string, NodeJS.ProcessEnv, string] => [
      "https://10.0.0.1",
      { HTTPS_PROXY: "http://p:1", NO_PROXY: no },
      "none",
    ]),
    ...(["10.0.0.0/32", "10.0.0.2", "10.0.0.1:80", "fe80::/10"] as const).map(
      (no): [string, NodeJS.ProcessEnv, string] => [
        "https://10.0.0.1",
        { HTTPS_PROXY: "http://p:1", no_proxy: no },
        "http://p:1 (HTTPS_PROXY)",
      ],
    ),
    ["https://a.b.c", { HTTPS_PROXY: "http://p:1", NO_PROXY: "b.c" }, "none"],
    ["https://a.b.c", { HTTPS_PROXY: "http://p:1", NO_PROXY: ".b.c" }, "none"],
    ["https://b.c", { HTTPS_PROXY: "http://p:1", NO_PROXY: ".b.c" }, "http://p:1 (HTTPS_PROXY)"],
    ["https://ab.c", { HTTPS_PROXY: "http://p:1", NO_PROXY: "b.c" }, "http://p:1 (HTTPS_PROXY)"],
  ])("for %s with %j is %s", (server, env, proxy) => {
    expect(proxyOf({ server }, env)?.shown ?? "none").toBe(proxy);
  });
});

describe("what hangs is named", () => {
  const silent = net.createServer();
  const dripping = http.createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const drip = setInterval(() => response.write(" "), 20);
    response.on("close", () => {
      clearInterval(drip);
    });
  });
  beforeAll(async () => {
    await Promise.all([listen(silent), listen(dripping)]);
  });

  test.each<[string, () => object]>([
    ["a server that accepts and says nothing", () => ({ server: `http://127.0.0.1:${portOf(silent)}` })],
    ["a TLS handshake", () => ({ server: `https://127.0.0.1:${portOf(silent)}` })],
    ["an answer that does not end", () => ({ server: `http://127.0.0.1:${portOf(dripping)}` })],
    ["a proxy", () => ({ "proxy-url": `http://127.0.0.1:${portOf(silent)}` })],
    ["a proxy's TLS handshake", () => ({ "proxy-url": `https://127.0.0.1:${portOf(silent)}` })],
    ["a socks5 proxy", () => ({ "proxy-url": `socks5://127.0.0.1:${portOf(silent)}` })],
    [
      "a proxy for a server without TLS",
      () => ({ server: "http://10.0.0.1", "proxy-url": `http://127.0.0.1:${portOf(silent)}` }),
    ],
  ])("%s", async (_, cluster) => {
    await expect(ask({ token: "t" }, cluster(), { deadline: 300 })).rejects.toThrow(
      "/version did not answer within 0.3 s",
    );
  });

  const cluster = { server: "https://h" };
  test("a plugin, with the command that shows it", async () => {
    const command = join(folder, program("sleeps", "exec sleep 60"));
    await expect(runExecPlugin({ ...V1, command }, { user: "u", cluster, deadline: 300 })).rejects.toMatchObject({
      code: "E_KUBECONFIG",
      seen: `users["u"].exec: ${command} did not end within 0.3 s`,
      next: command,
    });
  });

  test.each([
    ["fails", "echo 'log in first' >&2; exit 3", "ended with exit code 3"],
    ["prints nothing", "true", "printed nothing"],
    ["prints rubbish", "echo hello", "something else than an ExecCredential"],
    [
      "speaks another version",
      credential({ token: "x" }).replace('/v1"', '/v1beta1"'),
      "answered in client.authentication.k8s.io/v1beta1",
    ],
    ["has nothing to give", credential({}), "gave no credentials"],
    ["gives half a pair", credential({ clientKeyData: "x" }), "one of clientCertificateData"],
  ])("a plugin that %s", async (_, script, found) => {
    const command = join(folder, program("broken", script));
    const refusal = runExecPlugin({ ...V1, command }, { user: "u", cluster });
    await expect(refusal).rejects.toMatchObject({ code: "E_KUBECONFIG", seen: expect.stringContaining(found) });
    if (found.includes("exit code")) await expect(refusal).rejects.toMatchObject({ detail: "log in first" });
  });
});
