import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { KEY } from "../../images/bay/test/support/bay-on";
import { FakeRuntime, GOOD } from "../../images/bay/test/support/fake-runtime";

const MIB = 1024 * 1024;
/** Megabytes of heap, as Node chooses in a pod of 512 MiB. */
const HEAP = 256;
const text = (mib: number): string => "x".repeat(mib * MIB);

/** Bay as a process with little memory. */
async function start(runtimeUrl: string, changes: object = {}): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(
    process.execPath,
    [
      `--max-old-space-size=${HEAP}`,
      "--import",
      "tsx",
      path.resolve(__dirname, "../../images/bay/test/support/bay-process.ts"),
    ],
    {
      env: { PATH: process.env["PATH"], RUNTIME_URL: runtimeUrl, CHANGES: JSON.stringify(changes) },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout! }), "line") as Promise<[string]>,
    once(child, "exit").then(() => {
      throw new Error("Bay ended before it listened");
    }),
  ]);
  return { child, url: (JSON.parse(line) as { url: string }).url };
}

describe("Bay with little memory", () => {
  const runtime = new FakeRuntime();
  let bay: Awaited<ReturnType<typeof start>>;
  let id: string;
  const call = async (
    method: string,
    route: string,
    body?: string,
  ): Promise<{ status: number; size: number; retry: string | null; code: string | undefined }> => {
    const response = await fetch(bay.url + route, {
      method,
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body }),
    });
    const answer = await response.text();
    return {
      status: response.status,
      size: answer.length,
      retry: response.headers.get("retry-after"),
      code: response.ok ? undefined : (JSON.parse(answer) as { error?: { code: string } }).error?.code,
    };
  };
  const at = (route: string): string => `/v1/sandboxes/${id}/${route}`;
  beforeAll(async () => {
    bay = await start(await runtime.listen(), {
      server: { max_json_bytes: 64 * MIB },
      database: { max_history_mb: 256 },
    });
    const made = await fetch(`${bay.url}/v1/sandboxes`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: "{}",
    });
    id = ((await made.json()) as { id: string }).id;
    expect((await call("POST", at("python/exec"), '{"code":"1"}')).status).toBe(200);
  });
  afterEach(() => {
    runtime.replies = { ...GOOD };
  });
  afterAll(() => {
    bay.child.kill("SIGKILL");
    runtime.close();
  });

  /**
   * Runs attacks at once, with calls of others beside them: all of those succeed, each attack ends by name, and the
   * same process lives.
   */
  const survives = async (attacks: (() => Promise<{ status: number }>)[], statuses: number[]): Promise<void> => {
    let busy = true;
    const others = (async () => {
      let calls = 0;
      for (; busy || calls < 20; calls += 1) {
        expect(await call("GET", "/v1/sandboxes")).toMatchObject({ status: 200 });
        expect(await call("POST", at("python/exec"), '{"code":"1","timeout":60}')).toMatchObject({ status: 200 });
      }
    })();
    const ended = await Promise.all(
      attacks.map((attack) => attack().catch((error: unknown) => ({ status: 0, error }))),
    );
    busy = false;
    await others;
    for (const each of ended) expect(statuses).toContain(each.status);
    expect([bay.child.exitCode, bay.child.signalCode]).toEqual([null, null]);
  };
  /** The server may answer and hang up while the client still sends. */
  const sent =
    (route: string, body: string, method = "POST") =>
    () =>
      call(method, at(route), body).catch((error: Error) => {
        if (/fetch failed/.test(error.message)) return { status: 413 };
        throw error;
      });

  test("survives bodies that are little as bytes and much as values", async () => {
    const lists = `{"code":"1","x":[${"[],".repeat(20 * MIB)}[]]}`;
    await survives(
      [
        sent("python/exec", lists),
        sent("filesystem/files", lists, "PUT"),
        sent("filesystem/files", `[${"{},".repeat(20 * MIB)}{}]`, "PUT"),
        sent("filesystem/files", "[".repeat(60 * MIB), "PUT"),
      ],
      [413, 422, 429],
    );
  });

  test("survives large bodies at once", async () => {
    const file = `{"path":"x","content":"${text(60)}"}`;
    await survives(
      Array.from({ length: 4 }, () => sent("filesystem/files", file, "PUT")),
      [200, 429, 413],
    );
    expect((await call("PUT", at("filesystem/files"), file)).status).toBe(200);
    await survives(
      Array.from({ length: 12 }, () => sent("python/exec", `{"code":"${text(7)}"}`)),
      [200, 429, 413],
    );
  });

  test("survives reads of large texts at once, and gives at least one", async () => {
    runtime.replies["/fs/read_file"] = Buffer.from(`{"content":"${text(60)}","path":"x","size":1}`);
    const sizes: number[] = [];
    const read = async () => {
      const answer = await call("GET", at("filesystem/files?path=x"));
      if (answer.status === 200) sizes.push(answer.size);
      return answer;
    };
    await survives(
      Array.from({ length: 4 }, () => read),
      [200, 429],
    );
    expect(sizes.length).toBeGreaterThan(0);
    expect(new Set(sizes)).toEqual(new Set([60 * MIB + '{"content":""}'.length]));
  });

  test("survives outputs and lists that are large, whatever they hold", async () => {
    const rest = { success: true, execution_count: 1, error: null };
    for (const said of [text(16), "ü😀".repeat(3 * MIB), "\\u0000".repeat(8 * MIB)]) {
      runtime.replies["/ipython/exec"] = (request, response) => {
        let code = "";
        request
          .on("data", (chunk: Buffer) => {
            code += chunk.toString();
          })
          .once("end", () => {
            response.end(
              code.includes('"big"')
                ? `${JSON.stringify(rest).slice(0, -1)},"output":{"images":[],"text":"${said}"}}`
                : JSON.stringify(GOOD["/ipython/exec"]),
            );
          });
      };
      await survives(
        Array.from({ length: 4 }, () => () => call("POST", at("python/exec"), '{"code":"big"}')),
        [200, 429],
      );
    }
    runtime.replies["/fs/list_dir"] = Buffer.from(`{"files":[${"{},".repeat(10 * MIB)}{}],"current_path":"x"}`);
    await survives(
      Array.from({ length: 4 }, () => () => call("GET", at("filesystem/directories"))),
      [502],
    );
  });

  test("gives pages of the history by their size", async () => {
    runtime.replies["/ipython/exec"] = { ...(GOOD["/ipython/exec"] as object), output: { text: text(1), images: [] } };
    for (let n = 0; n < 16; n += 1) expect((await call("POST", at("python/exec"), '{"code":"1"}')).status).toBe(200);
    const response = await fetch(`${bay.url}${at("history?limit=500")}`, {
      headers: { authorization: `Bearer ${KEY}` },
    });
    const { entries, total } = (await response.json()) as { entries: unknown[]; total: number };
    expect([entries.length > 0, entries.length < 10, total > 16]).toEqual([true, true, true]);
    await survives(
      Array.from({ length: 30 }, () => () => call("GET", at("history?limit=500"))),
      [200, 429],
    );
  });

  test("tells when to come back", async () => {
    // A call whose answer is announced and does not come holds room for it until its time is over.
    runtime.replies["/ipython/exec"] = (_request, response) => {
      response.writeHead(200, { "content-length": 60 * MIB }).write("{");
    };
    let over = false;
    const held = [
      call("POST", at("python/exec"), '{"code":"1","timeout":20}').finally(() => {
        over = true;
      }),
    ];
    const file = `{"path":"x","content":"${text(60)}"}`;
    let answer = await call("PUT", at("filesystem/files"), file);
    while (answer.status === 200 && !over) answer = await call("PUT", at("filesystem/files"), file);
    expect(answer).toMatchObject({ status: 429, code: "quota_exceeded", retry: "1" });
    for (const { status } of await Promise.all(held)) expect(status).toBe(504);
  });
});
