import { type Answer, type BayOn, startBayOn } from "./support/bay-on";
import { FakeRuntime, GOOD, OneRuntimeDriver, type Reply } from "./support/fake-runtime";

const MIB = 1024 * 1024;
const python = (change: object): object => ({ ...(GOOD["/ipython/exec"] as object), ...change });
const shell = (change: object): object => ({ ...(GOOD["/shell/exec"] as object), ...change });
const entry = (change: object): object => ({
  files: [{ ...(GOOD["/fs/list_dir"] as { files: object[] }).files[0]!, ...change }],
  current_path: "/",
});
const many = (one: string, times: number): string => `[${Array.from({ length: times }, () => one).join()}]`;
/** Answers that no runtime may give to any call. */
const NEVER: [string, Reply][] = [
  ["no JSON", "<html>"],
  ["nothing", ""],
  ["a list", []],
  ["null", "null"],
  ["a number", "1e999"],
  ["an empty object of another", { detail: [] }],
  ["bytes that are no text", Buffer.of(0x7b, 0xff)],
  ["deep lists", "[".repeat(100_000)],
  ["a million lists", many("[]", 1_000_000)],
  ["a million keys", `{${Array.from({ length: 300_000 }, (_, n) => `"k${n}":{}`).join()}}`],
  [
    "an answer that breaks off",
    (_request, response) => {
      response.writeHead(200, { "content-length": 100 }).write('{"success"');
      response.destroy();
    },
  ],
  [
    "an answer that promises too much",
    (_request, response) => {
      response.writeHead(200, { "content-length": 10 ** 12 }).write("{");
    },
  ],
  [
    "an error of a megabyte",
    (_request, response) => {
      response.writeHead(500).end("x".repeat(MIB));
    },
  ],
  [
    "an error that never ends",
    (_request, response) => {
      response.writeHead(500);
      const timer = setInterval(() => response.write("x".repeat(65_536)), 1);
      response.once("close", () => {
        clearInterval(timer);
      });
    },
  ],
  [
    "a redirect",
    (_request, response) => {
      response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    },
  ],
];

describe("A runtime that its user has taken over", () => {
  const runtime = new FakeRuntime();
  let bay: BayOn<OneRuntimeDriver>;
  let id: string;
  let other: string;
  beforeAll(async () => {
    bay = await startBayOn(
      { limits: { answer_bytes: 2 * MIB }, database: { max_history_mb: 1 } },
      new OneRuntimeDriver(await runtime.listen()),
    );
    [id, other] = [await bay.sandbox(), await bay.sandbox()];
    for (const each of [id, other]) expect((await bay.python(each, "kept")).status).toBe(200);
  });
  afterEach(() => {
    runtime.replies = { ...GOOD };
  });
  afterAll(async () => {
    await bay.stop();
    runtime.close();
  });
  const files = (method: string, body?: object): Promise<Answer> =>
    bay.call(method, `/v1/sandboxes/${id}/filesystem/files${body ? "" : "?path=x"}`, body);
  const calls: Record<string, () => Promise<Answer>> = {
    "/ipython/exec": () => bay.python(id, "1"),
    "/shell/exec": () => bay.shell(id, "1"),
    "/fs/read_file": () => files("GET"),
    "/fs/write_file": () => files("PUT", { path: "x", content: "y" }),
    "/fs/delete_file": () => files("DELETE"),
    "/fs/list_dir": () => bay.call("GET", `/v1/sandboxes/${id}/filesystem/directories`),
    "/fs/upload": () => {
      const form = new FormData();
      form.append("path", "x");
      form.append("file", new Blob(["y"]));
      return bay.call("POST", `/v1/sandboxes/${id}/filesystem/upload`, form);
    },
  };
  const historyOf = async (sandbox: string): Promise<unknown> =>
    (await bay.call("GET", `/v1/sandboxes/${sandbox}/history`)).body;
  /** The call is refused as the runtime's fault, and nobody's history changed. */
  const isRefused = async (route: string, reply: Reply): Promise<void> => {
    const before = [await historyOf(id), await historyOf(other)];
    runtime.replies[route] = reply;
    const answer = await calls[route]!();
    expect([route, answer.status, answer.body.error?.code]).toEqual([route, 502, "ship_error"]);
    expect(JSON.stringify(answer.body).length).toBeLessThan(2_000);
    expect([await historyOf(id), await historyOf(other)]).toEqual(before);
  };

  test.each(NEVER)("that answers %s is told apart in every call", async (what, reply) => {
    for (const route of Object.keys(calls)) {
      if (what === "an empty object of another" && ["/fs/write_file", "/fs/delete_file"].includes(route)) continue; // all that is asked of these is an object
      await isRefused(route, reply);
    }
  });

  test.each<[string, object]>([
    ["/ipython/exec", python({ error: { length: [] } })],
    ["/ipython/exec", python({ error: [] })],
    ["/ipython/exec", python({ success: "yes" })],
    ["/ipython/exec", python({ execution_count: 1e300 })],
    ["/ipython/exec", python({ output: null })],
    ["/ipython/exec", python({ output: { text: { trim: 1 }, images: [] } })],
    ["/ipython/exec", python({ output: { text: "", images: [{ a: 1 }] } })],
    ["/ipython/exec", python({ output: { text: "", images: {} } })],
    ["/ipython/exec", python({ output: { text: "x".repeat(3 * MIB), images: [] } })],
    ["/shell/exec", shell({ stdout: null })],
    ["/shell/exec", shell({ stdout: { length: "9" } })],
    ["/shell/exec", shell({ return_code: "0" })],
    ["/shell/exec", shell({ return_code: 1.5 })],
    ["/shell/exec", shell({ error: { length: -1e9 } })],
    ["/fs/read_file", { content: 5 }],
    ["/fs/read_file", { content: { x: "y" } }],
    ["/fs/read_file", {}],
    ["/fs/list_dir", { files: {} }],
    ["/fs/list_dir", { files: [null] }],
    ["/fs/list_dir", entry({ size: -1 })],
    ["/fs/list_dir", entry({ name: "n".repeat(5_000) })],
    ["/fs/list_dir", entry({ modified_time: "now" })],
    ["/fs/upload", { success: true, size: "9" }],
    ["/fs/upload", { success: false, size: null, error: {} }],
  ])("that answers %s with another form is told apart (%#)", async (route, reply) => {
    await isRefused(route, reply);
  });

  test("that answers wrongly about itself breaks no look at its sandbox", async () => {
    const fresh = await bay.sandbox();
    runtime.replies["/meta"] = {
      runtime: { version: { toString: 1 } },
      capabilities: Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`c${n}`, {}])),
    };
    expect((await bay.python(fresh, "1")).status).toBeLessThan(503);
    runtime.replies["/health"] = { status: { length: [] } };
    expect((await bay.call("GET", `/v1/sandboxes/${fresh}`)).status).toBe(200);
  });

  test("cannot choose the headers of a download", async () => {
    runtime.replies["/fs/download"] = (_request, response) => {
      response
        .writeHead(200, {
          "transfer-encoding": "chunked",
          "x-owner": "me",
          "set-cookie": "a=b",
          "x-request-id": "mine",
        })
        .end("bytes");
    };
    const { status, headers, body } = await bay.call("GET", `/v1/sandboxes/${id}/filesystem/download?path=x`);
    expect([
      status,
      String(body),
      headers.get("set-cookie"),
      headers.get("x-owner"),
      headers.get("x-request-id") === "mine",
    ]).toEqual([200, "bytes", null, null, false]);
  });

  test("gives what it holds as it is: long texts, escapes, and halves of characters", async () => {
    for (const text of ["x".repeat(MIB), `${"\\".repeat(70_000)}\u0000"`, `${"ü😀".repeat(40_000)}`]) {
      runtime.replies["/fs/read_file"] = { path: "", content: text, size: 1 };
      expect((await files("GET")).body).toEqual({ content: text });
      runtime.replies["/ipython/exec"] = python({ output: { text, images: [] } });
      expect((await bay.python(other, "1")).body.data.output.text).toBe(text);
    }
  });

  test("is sent long texts as they came", async () => {
    for (const content of [
      "x".repeat(100_000),
      `${'\\"'.repeat(45_000)}\u0000\n`,
      `${"ü😀".repeat(20_000)}`,
      "short",
    ]) {
      let got = "";
      runtime.replies["/fs/write_file"] = (request, response) => {
        request
          .setEncoding("utf8")
          .on("data", (text: string) => {
            got += text;
          })
          .once("end", () => {
            response.end("{}");
          });
      };
      expect((await files("PUT", { extra: 1, path: "a/../x", content })).status).toBe(200);
      expect(JSON.parse(got)).toEqual({ path: "x", mode: "w", content });
    }
  });
});
