import { Agent, request as httpRequest } from "node:http";
import { type Bay, KEY, startBay, until } from "./support/bay";

describe("Inside a sandbox", () => {
  let bay: Bay;
  let id: string;
  beforeAll(async () => {
    bay = await startBay();
    id = await bay.sandbox();
  });
  afterAll(async () => {
    await bay.stop();
  });
  const fs = (kind: string) => `/v1/sandboxes/${id}/filesystem/${kind}`;
  const query = (kind: string, path: string) => `${fs(kind)}?path=${encodeURIComponent(path)}`;
  const write = (path: string, content: string) => bay.call("PUT", fs("files"), { path, content });

  test("python answers with every field", async () => {
    const { body } = await bay.python(id, "print('a'); 2", { include_code: true, tags: "b, a,,b" });
    expect(body).toEqual({
      success: true,
      output: "a\n2",
      error: null,
      data: { execution_count: expect.any(Number), output: { text: "a\n2", images: [] } },
      execution_id: expect.stringMatching(/^exec-[0-9a-f]{12}$/),
      execution_time_ms: expect.any(Number),
      code: "print('a'); 2",
    });
    expect(Number.isInteger(body.execution_time_ms)).toBe(true);
    expect((await bay.python(id, "x = 5")).body).toMatchObject({ output: "", code: null });
    expect((await bay.python(id, "x")).body.output).toBe("5");
    expect((await bay.python(id, "1/0")).body).toMatchObject({
      success: false,
      error: expect.stringContaining("ZeroDivisionError"),
    });
    expect((await bay.python(id, "import time; time.sleep(9)", { timeout: 1 })).body).toMatchObject({
      success: false,
      error: expect.stringContaining("timed out"),
    });
  });

  test("shell answers with every field", async () => {
    expect((await bay.shell(id, "echo out; echo err >&2; exit 3", { include_code: true })).body).toEqual({
      success: false,
      output: "out",
      error: "err",
      exit_code: 3,
      execution_id: expect.stringMatching(/^exec-/),
      execution_time_ms: expect.any(Number),
      command: "echo out; echo err >&2; exit 3",
    });
    expect((await bay.shell(id, "true")).body).toMatchObject({
      success: true,
      output: "",
      error: null,
      exit_code: 0,
      command: null,
    });
    expect((await bay.shell(id, "sleep 9", { timeout: 1 })).body).toMatchObject({
      success: false,
      output: "",
      exit_code: -1,
      error: "Command timed out",
    });
    await write("sub/x", "");
    expect((await bay.shell(id, "basename $PWD; ls", { cwd: "sub" })).body.output).toBe("sub\nx");
    expect(await bay.shell(id, "pwd", { cwd: "/etc" })).toMatchObject({
      status: 400,
      body: { error: { code: "invalid_path", details: { field: "cwd", reason: "absolute_path" } } },
    });
    expect(await bay.shell(id, "pwd", { cwd: "" })).toMatchObject({
      status: 400,
      body: { error: { details: { field: "cwd", reason: "empty_path" } } },
    });
  });

  test.each([
    [0, "greater_than_equal"],
    [301, "less_than_equal"],
    ["x", "int_parsing"],
  ])("a timeout of %j is 422", async (timeout, type) => {
    expect(await bay.python(id, "1", { timeout })).toMatchObject({
      status: 422,
      body: { detail: [{ type, loc: ["body", "timeout"], input: timeout }] },
    });
  });

  test("the profile's variables reach python", async () => {
    expect((await bay.python(id, "import os; print(os.environ['FROM_PROFILE'])")).body.output).toBe("profile value");
  });

  test("files are written, read, listed and deleted", async () => {
    expect(await write("a/../d/f.txt", "grüße\r\n")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(await bay.call("GET", query("files", "d//f.txt"))).toMatchObject({
      status: 200,
      body: { content: "grüße\n" },
    });
    expect((await bay.call("GET", query("directories", "d"))).body.entries).toEqual([
      {
        name: "f.txt",
        path: expect.stringMatching(/\/d\/f\.txt$/),
        is_file: true,
        is_dir: false,
        size: 9,
        modified_time: expect.any(Number),
      },
    ]);
    expect(await bay.call("DELETE", query("files", "d"))).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(
      (await bay.call("GET", fs("directories"))).body.entries.map(({ name }: { name: string }) => name),
    ).not.toContain("d");
  });

  test.each([
    ["GET", "files", "missing"],
    ["GET", "files", "."],
    ["GET", "directories", "missing"],
    ["DELETE", "files", "missing"],
    ["DELETE", "files", "."],
    ["GET", "download", "."],
  ])("%s %s of %j is the runtime's refusal", async (method, kind, path) => {
    expect(await bay.call(method, query(kind, path))).toMatchObject({
      status: 502,
      body: { error: { code: "ship_error" } },
    });
  });

  test("a link that leads outside is refused by the runtime", async () => {
    await bay.shell(id, "ln -s /etc/passwd leak; ln -s /tmp away");
    for (const answer of [
      await bay.call("GET", query("files", "leak")),
      await bay.call("GET", query("download", "leak")),
      await write("away/x", ""),
    ]) {
      expect(answer).toMatchObject({ status: 502, body: { error: { code: "ship_error" } } });
    }
  });

  const form = (...parts: [string, string | Blob][]): FormData => {
    const data = new FormData();
    for (const [name, value] of parts) {
      if (typeof value === "string") data.append(name, value);
      else data.append(name, value, "local.bin");
    }
    return data;
  };
  const bytes = (size: number): Buffer =>
    Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index * 7) % 256));

  test.each([
    ["path first", ["path", "file"]],
    ["file first", ["file", "path"]],
  ])("an upload with the %s comes down unchanged", async (_what, order) => {
    for (const size of [0, 256, 3_000_000]) {
      const values: Record<string, string | Blob> = { path: `up/./${size}.bin`, file: new Blob([bytes(size)]) };
      expect(
        await bay.call(
          "POST",
          fs("upload"),
          form(...order.map((name): [string, string | Blob] => [name, values[name]!])),
        ),
      ).toMatchObject({ status: 200, body: { status: "ok", path: `up/${size}.bin`, size } });
      const down = await bay.call("GET", query("download", `up/${size}.bin`));
      expect([down.status, down.headers.get("content-type"), down.headers.get("content-disposition")]).toEqual([
        200,
        "application/octet-stream",
        `attachment; filename="${size}.bin"`,
      ]);
      expect(down.headers.get("content-length")).toBe(String(size));
      expect(Buffer.compare(down.body, bytes(size))).toBe(0);
    }
  });

  test("uploads that cannot be are refused by name", async () => {
    const file = new Blob(["x"]);
    expect(await bay.call("POST", fs("upload"), form(["path", "x"]))).toMatchObject({
      status: 422,
      body: { detail: [{ type: "missing", loc: ["body", "file"] }] },
    });
    expect(await bay.call("POST", fs("upload"), form(["file", file]))).toMatchObject({
      status: 422,
      body: { detail: [{ type: "missing", loc: ["body", "path"] }] },
    });
    expect((await bay.call("POST", fs("upload"), {})).body.detail).toHaveLength(2);
    await bay.shell(id, "mkdir -p folder");
    expect(await bay.call("POST", fs("upload"), form(["path", "folder"], ["file", file]))).toMatchObject({
      status: 502,
      body: { error: { code: "ship_error", message: expect.stringContaining("directory") } },
    });
    const large = new Blob([bytes(6_000_000)]);
    expect(await bay.call("POST", fs("upload"), form(["path", "large"], ["file", large]))).toMatchObject({
      status: 413,
      body: { error: { code: "payload_too_large" } },
    });
    expect((await bay.call("GET", query("download", "large"))).status).toBe(404);
  });

  test("a wrong path in an upload starts nothing, whichever part comes first", async () => {
    const fresh = await bay.sandbox();
    const starts = bay.driver.count("start");
    const parts: [string, string | Blob][] = [
      ["path", "../evil"],
      ["file", new Blob(["x"])],
    ];
    for (const order of [parts, [...parts].reverse()]) {
      expect(await bay.call("POST", `/v1/sandboxes/${fresh}/filesystem/upload`, form(...order))).toMatchObject({
        status: 400,
        body: { error: { code: "invalid_path", details: { field: "path", reason: "path_traversal" } } },
      });
    }
    expect(bay.driver.count("start")).toBe(starts);
  });

  test("an upload that breaks off leaves no file", async () => {
    const head = `--b\r\ncontent-disposition: form-data; name="path"\r\n\r\nbroken\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nhalf`;
    await new Promise<void>((resolve) => {
      const request = httpRequest(bay.url + fs("upload"), {
        method: "POST",
        agent: new Agent(),
        headers: { authorization: `Bearer ${KEY}`, "content-type": "multipart/form-data; boundary=b" },
      });
      request.on("error", () => {
        resolve();
      });
      request.write(head, () => {
        request.destroy();
      });
      request.on("close", () => {
        resolve();
      });
    });
    await until(
      "the part of the broken upload is gone",
      async () => (await bay.shell(id, "ls -A | grep -c '\\.part$'")).body.output === "0",
    );
    expect((await bay.call("GET", query("download", "broken"))).status).toBe(404);
  });

  test("a missing download is 404 by its own code; names are quoted", async () => {
    expect(await bay.call("GET", query("download", "missing"))).toMatchObject({
      status: 404,
      body: { error: { code: "file_not_found" } },
    });
    await write('q"u-grüße.txt', "x");
    expect((await bay.call("GET", query("download", 'q"u-grüße.txt'))).headers.get("content-disposition")).toBe(
      "attachment; filename=\"q_u-gr__e.txt\"; filename*=UTF-8''q%22u-gr%C3%BC%C3%9Fe.txt",
    );
  });

  test("a capability that only the profile claims is refused by the runtime's word", async () => {
    expect(
      (await bay.call("POST", `/v1/sandboxes/${await bay.sandbox({ profile: "lies" })}/python/exec`, { code: "1" }))
        .body.error,
    ).toMatchObject({ code: "capability_not_supported", details: { capability: "python", available: ["browser"] } });
  });

  test("two sandboxes do not see each other", async () => {
    const other = await bay.sandbox();
    await bay.python(id, "secret = 1\nopen('mine', 'w').close()");
    expect((await bay.python(other, "secret")).body.error).toContain("NameError");
    expect((await bay.shell(other, "ls mine")).body.success).toBe(false);
  });
});

describe("History", () => {
  let bay: Bay;
  let id: string;
  const history = (rest = "") => bay.call("GET", `/v1/sandboxes/${id}/history${rest}`);
  beforeAll(async () => {
    bay = await startBay();
    id = await bay.sandbox();
    await bay.python(id, "print('one')", { tags: " beta ,alpha,beta,", description: "first" });
    await bay.shell(id, "exit 3", { tags: "Gamma" });
  });
  afterAll(async () => {
    await bay.stop();
  });

  test("holds each call, newest first, with every field", async () => {
    const { body } = await history();
    expect(body.total).toBe(2);
    expect(body.entries.map(({ exec_type }: { exec_type: string }) => exec_type)).toEqual(["shell", "python"]);
    expect(body.entries[1]).toEqual({
      id: expect.stringMatching(/^exec-/),
      session_id: expect.stringMatching(/^sess-/),
      exec_type: "python",
      code: "print('one')",
      success: true,
      execution_time_ms: expect.any(Number),
      output: "one",
      error: null,
      payload_ref: null,
      description: "first",
      tags: "alpha,beta",
      notes: null,
      learn_enabled: false,
      learn_status: null,
      learn_error: null,
      learn_processed_at: null,
      created_at: expect.any(String),
    });
  });

  test.each([
    ["?success_only=true", ["python"]],
    ["?exec_type=shell", ["shell"]],
    ["?tags=gam,nothing", ["shell"]],
    ["?tags=BET&exec_type=python", ["python"]],
    ["?has_description=1", ["python"]],
    ["?has_notes=true", []],
    ["?limit=1", ["shell"]],
    ["?limit=1&offset=1", ["python"]],
  ])("%s gives %j", async (rest, types) => {
    expect((await history(rest)).body.entries.map(({ exec_type }: { exec_type: string }) => exec_type)).toEqual(types);
  });

  test("last, one by id, and notes", async () => {
    expect((await history("/last")).body.exec_type).toBe("shell");
    const one = (await history("/last?exec_type=python")).body;
    expect((await history(`/${one.id as string}`)).body).toEqual(one);
    const changed = await bay.call("PATCH", `/v1/sandboxes/${id}/history/${one.id as string}`, {
      notes: "good",
      tags: "z, a",
    });
    expect(changed).toMatchObject({ status: 200, body: { ...one, notes: "good", tags: "a,z" } });
    expect((await history("?has_notes=true")).body.total).toBe(1);
  });

  test.each([
    ["?exec_type=filesystem", 422],
    ["?limit=501", 422],
    ["?offset=-1", 422],
    ["/exec-000000000000", 404],
    ["/last?exec_type=browser", 404],
  ])("%s is %i", async (rest, status) => {
    expect((await history(rest)).status).toBe(status);
  });
});
