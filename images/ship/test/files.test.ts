import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import { LIMITS } from "../src/limits";
import { type RunningShip, startShip } from "./support/start-ship";

describe("Ship's files", () => {
  let ship: RunningShip;
  let outside: string;
  beforeAll(async () => {
    ship = await startShip();
    outside = mkdtempSync(path.join(os.tmpdir(), "ship-outside-"));
    writeFileSync(path.join(outside, "secret"), "secret");
    const link = (target: string, name: string) => {
      symlinkSync(target, path.join(ship.workspace, name));
    };
    link(outside, "out-dir");
    link(path.join(outside, "secret"), "out-file");
    link(path.join(outside, "new"), "out-new");
    link("loop-b", "loop-a");
    link("loop-a", "loop-b");
    mkdirSync(path.join(ship.workspace, "dir"));
    writeFileSync(path.join(ship.workspace, "file"), "text");
    link("dir", "in-dir");
  });
  afterAll(async () => {
    await ship.stop();
    rmSync(outside, { recursive: true });
  });

  test("write makes parents, overwrites and appends; read gives the text", async () => {
    expect((await ship.post("/fs/write_file", { path: "a/b/c.txt", content: "one" })).body).toMatchObject({
      success: true,
      size: 3,
    });
    await ship.post("/fs/write_file", { path: "a/b/c.txt", content: "two" });
    await ship.post("/fs/write_file", { path: "a/b/c.txt", content: "+", mode: "a" });
    expect((await ship.post("/fs/read_file", { path: "a/b/c.txt" })).body).toMatchObject({ content: "two+", size: 4 });
    expect((await ship.post("/fs/read_file", { path: path.join(ship.workspace, "a/b/c.txt") })).body).toMatchObject({
      content: "two+",
    });
  });

  test("CRLF is read as LF, and lines can be chosen", async () => {
    writeFileSync(path.join(ship.workspace, "lines"), "1\r\n2\r\n3\r\n");
    expect((await ship.post("/fs/read_file", { path: "lines" })).body).toMatchObject({ content: "1\n2\n3\n" });
    expect((await ship.post("/fs/read_file", { path: "lines", offset: 2, limit: 1 })).body).toMatchObject({
      content: "2\n",
    });
  });

  test("a list has directories first, hides dot-names and tells kinds and sizes", async () => {
    for (const name of ["list/B.txt", "list/a.txt", "list/.hidden", "list/z/x"])
      await ship.post("/fs/write_file", { path: name, content: "12" });
    const { body } = await ship.post("/fs/list_dir", { path: "list" });
    expect(
      body.files.map(({ name, is_file, is_dir, size }: Record<string, unknown>) => [name, is_file, is_dir, size]),
    ).toEqual([
      ["z", false, true, null],
      ["a.txt", true, false, 2],
      ["B.txt", true, false, 2],
    ]);
    expect(body.files[0]).toMatchObject({
      path: path.join(ship.workspace, "list/z"),
      modified_time: expect.any(Number),
    });
  });

  test.each([
    ["/fs/read_file", { path: "missing" }, 404],
    ["/fs/read_file", { path: "dir" }, 400],
    ["/fs/read_file", { path: "file/below" }, 404],
    ["/fs/list_dir", { path: "missing" }, 404],
    ["/fs/list_dir", { path: "file" }, 400],
    ["/fs/delete_file", { path: "missing" }, 404],
    ["/fs/delete_file", { path: "." }, 400],
    ["/fs/delete_file", { path: "dir/.." }, 400],
    ["/fs/write_file", { path: "dir", content: "" }, 500],
    ["/fs/write_file", { path: "file/below", content: "" }, 500],
    ["/fs/read_file", { path: "../x" }, 403],
    ["/fs/read_file", { path: "/etc/passwd" }, 403],
    ["/fs/read_file", { path: "out-file" }, 403],
    ["/fs/read_file", { path: "out-dir/secret" }, 403],
    ["/fs/list_dir", { path: "out-dir" }, 403],
    ["/fs/delete_file", { path: "out-dir/secret" }, 403],
    ["/fs/write_file", { path: "out-dir/new", content: "" }, 500],
    ["/fs/write_file", { path: "out-new", content: "" }, 500],
    ["/fs/read_file", { path: "loop-a" }, 400],
    ["/fs/read_file", { path: "x".repeat(300) }, 400],
    ["/fs/read_file", {}, 422],
  ])("%s %j is refused with %i", async (route, body, status) => {
    expect(await ship.post(route, body)).toMatchObject({ status, body: { detail: expect.any(String) } });
    expect(readdirSync(outside)).toEqual(["secret"]);
    expect(readFileSync(path.join(outside, "secret"), "utf8")).toBe("secret");
  });

  test("deleting a link removes the link, not its target; a directory goes with all in it", async () => {
    symlinkSync(path.join(outside, "secret"), path.join(ship.workspace, "doomed"));
    expect((await ship.post("/fs/delete_file", { path: "doomed" })).status).toBe(200);
    expect(existsSync(path.join(outside, "secret"))).toBe(true);
    await ship.post("/fs/write_file", { path: "tree/a/b", content: "" });
    expect((await ship.post("/fs/delete_file", { path: "tree" })).status).toBe(200);
    expect(existsSync(path.join(ship.workspace, "tree"))).toBe(false);
  });

  const upload = async (name: string, content: Uint8Array): Promise<Response> => {
    const form = new FormData();
    form.append("file_path", name);
    form.append("file", new Blob([content]), "f");
    return fetch(`${ship.url}/fs/upload`, { method: "POST", body: form });
  };

  test.each([0, 1, 70_000, 3_000_000])("%i bytes go up and down unchanged", async (size) => {
    const content = Uint8Array.from({ length: size }, (_, index) => (index * 31) % 256);
    expect(await (await upload("bin/data", content)).json()).toMatchObject({ success: true, size });
    const response = await fetch(`${ship.url}/fs/download?file_path=bin/data`);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    expect(Buffer.compare(Buffer.from(await response.arrayBuffer()), content)).toBe(0);
  });

  test("a large file is streamed both ways: Ship never holds as much as the file", async () => {
    const size = 384 * 1024 * 1024;
    const block = Buffer.alloc(1024 * 1024, "0123456789abcdef");
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(
        `${ship.url}/fs/upload`,
        { method: "POST", headers: { "content-type": "multipart/form-data; boundary=b" } },
        resolve,
      ).once("error", reject);
      const parts = function* () {
        yield '--b\r\ncontent-disposition: form-data; name="file_path"\r\n\r\nhuge\r\n--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n';
        for (let sent = 0; sent < size; sent += block.length) yield block;
        yield "\r\n--b--\r\n";
      };
      Readable.from(parts()).pipe(call);
    });
    expect(await json(answer)).toMatchObject({ success: true, size });
    const response = await fetch(`${ship.url}/fs/download?file_path=huge`);
    expect(response.headers.get("content-length")).toBe(String(size));
    let received = 0;
    for await (const chunk of response.body!) received += (chunk as Uint8Array).length;
    expect(received).toBe(size);
    rmSync(path.join(ship.workspace, "huge"));
    const peak =
      Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${ship.process.pid}/status`, "utf8"))![1]) * 1024;
    expect(peak).toBeLessThan(size * 0.75);
  });

  test("a failed upload is no success and leaves nothing behind", async () => {
    expect(await (await upload("dir", Uint8Array.of(1))).json()).toMatchObject({
      success: false,
      error: expect.stringContaining("directory"),
    });
    expect((await upload("out-dir/x", Uint8Array.of(1))).status).toBe(403);
    expect(readdirSync(path.join(ship.workspace, "dir"))).toEqual([]);
  });

  test.each([
    ["missing", 404],
    ["dir", 400],
    ["out-file", 403],
    ["../../etc/passwd", 403],
  ])("a download of %s is refused with %i", async (file, status) => {
    expect((await fetch(`${ship.url}/fs/download?file_path=${encodeURIComponent(file)}`)).status).toBe(status);
  });

  test("create_file makes a file with the permissions wanted, edit_file replaces text and keeps them and the line ends", async () => {
    const mode = () => (statSync(path.join(ship.workspace, "made/run.sh")).mode & 0o777).toString(8);
    expect(
      (await ship.post("/fs/create_file", { path: "made/run.sh", content: "a\r\nb b\n", mode: 0o755 })).body,
    ).toMatchObject({ success: true, size: 7 });
    expect(mode()).toBe("755");
    expect(
      (await ship.post("/fs/edit_file", { path: "made/run.sh", old_string: "a", new_string: "$&" })).body,
    ).toMatchObject({ success: true, replacements: 1, size: 8 });
    expect(
      (await ship.post("/fs/edit_file", { path: "made/run.sh", old_string: "b", new_string: "é", replace_all: true }))
        .body,
    ).toMatchObject({ replacements: 2, size: 10 });
    expect([mode(), readFileSync(path.join(ship.workspace, "made/run.sh"), "utf8")]).toEqual(["755", "$&\r\né é\n"]);
    await ship.post("/fs/create_file", { path: "made/run.sh" });
    expect([mode(), readFileSync(path.join(ship.workspace, "made/run.sh"), "utf8")]).toEqual(["644", ""]);
  });

  test.each([
    [{ path: "missing", old_string: "a", new_string: "b" }, 404, "not found"],
    [{ path: "file", old_string: "absent", new_string: "b" }, 400, "was not found"],
    [{ path: "file", old_string: "t", new_string: "b" }, 400, "2 times"],
    [{ path: "file", old_string: "", new_string: "b" }, 400, "empty"],
    [{ path: "dir", old_string: "a", new_string: "b" }, 400, "not a file"],
    [{ path: "out-file", old_string: "secret", new_string: "b" }, 403, "outside"],
  ])("edit_file of %j is refused with %i: %s", async (body, status, words) => {
    expect(await ship.post("/fs/edit_file", body)).toMatchObject({
      status,
      body: { detail: expect.stringContaining(words) },
    });
    expect(readFileSync(path.join(ship.workspace, "file"), "utf8")).toBe("text");
  });

  test.each([
    ["utf-8", Buffer.from("grüße"), "grüße"],
    ["latin-1", Buffer.from([0x67, 0xfc]), "gü"],
    ["ascii", Buffer.from("plain"), "plain"],
    ["utf-16", Buffer.from("\ufeffhé", "utf16le"), "hé"],
  ])("text is read as %s", async (encoding, bytes, content) => {
    writeFileSync(path.join(ship.workspace, "encoded"), bytes);
    expect((await ship.post("/fs/read_file", { path: "encoded", encoding })).body).toMatchObject({
      content,
      size: bytes.length,
    });
  });

  test.each([
    ["utf-8", 500],
    ["ascii", 500],
    ["klingon", 400],
  ])("bytes that are no text of %s are refused with %i", async (encoding, status) => {
    writeFileSync(path.join(ship.workspace, "bytes"), Buffer.from([0xff, 0xfe, 0x80]));
    expect(await ship.post("/fs/read_file", { path: "bytes", encoding })).toMatchObject({
      status,
      body: { detail: expect.stringMatching(new RegExp(encoding, "i")) },
    });
  });

  test("a file too large to be text and a body too large to be JSON are refused by name", async () => {
    const file = path.join(ship.workspace, "large");
    writeFileSync(file, "");
    truncateSync(file, LIMITS.text + 1);
    expect(await ship.post("/fs/read_file", { path: "large" })).toMatchObject({
      status: 413,
      body: { detail: expect.stringMatching(/^file_too_large: /) },
    });
    const call = request(`${ship.url}/fs/write_file`, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": LIMITS.json + 1 },
    });
    call.flushHeaders(); // the length alone is refused, the content need not be sent
    const [refused] = (await once(call, "response")) as [IncomingMessage];
    expect([refused.statusCode, ((await json(refused)) as { detail: string }).detail]).toEqual([
      413,
      expect.stringMatching(/^body_too_large: /),
    ]);
    call.destroy();
  });
});
