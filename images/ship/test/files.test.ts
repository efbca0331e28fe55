import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { Workspace } from "../src/workspace";
import { type RunningShip, startShip } from "./support/start-ship";

describe("Ship's files", () => {
  let ship: RunningShip;
  let outside: string;
  beforeAll(async () => {
    ship = await startShip();
    outside = mkdtempSync(path.join(os.tmpdir(), "ship-outside-"));
    writeFileSync(path.join(outside, "secret"), "secret");
    const link = (target: string, name: string) => { symlinkSync(target, path.join(ship.workspace, name)); };
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
    expect((await ship.post("/fs/write_file", { path: "a/b/c.txt", content: "one" })).body).toMatchObject({ success: true, size: 3 });
    await ship.post("/fs/write_file", { path: "a/b/c.txt", content: "two" });
    await ship.post("/fs/write_file", { path: "a/b/c.txt", content: "+", mode: "a" });
    expect((await ship.post("/fs/read_file", { path: "a/b/c.txt" })).body).toMatchObject({ content: "two+", size: 4 });
    expect((await ship.post("/fs/read_file", { path: path.join(ship.workspace, "a/b/c.txt") })).body).toMatchObject({ content: "two+" });
  });

  test("CRLF is read as LF, and lines can be chosen", async () => {
    writeFileSync(path.join(ship.workspace, "lines"), "1\r\n2\r\n3\r\n");
    expect((await ship.post("/fs/read_file", { path: "lines" })).body).toMatchObject({ content: "1\n2\n3\n" });
    expect((await ship.post("/fs/read_file", { path: "lines", offset: 2, limit: 1 })).body).toMatchObject({ content: "2\n" });
  });

  test("a list has directories first, hides dot-names and tells kinds and sizes", async () => {
    for (const name of ["list/B.txt", "list/a.txt", "list/.hidden", "list/z/x"]) await ship.post("/fs/write_file", { path: name, content: "12" });
    const { body } = await ship.post("/fs/list_dir", { path: "list" });
    expect(body.files.map(({ name, is_file, is_dir, size }: Record<string, unknown>) => [name, is_file, is_dir, size])).toEqual([
      ["z", false, true, null], ["a.txt", true, false, 2], ["B.txt", true, false, 2],
    ]);
    expect(body.files[0]).toMatchObject({ path: path.join(ship.workspace, "list/z"), modified_time: expect.any(Number) });
  });

  test.each([
    ["/fs/read_file", { path: "missing" }, 404], ["/fs/read_file", { path: "dir" }, 400], ["/fs/read_file", { path: "file/below" }, 404],
    ["/fs/list_dir", { path: "missing" }, 404], ["/fs/list_dir", { path: "file" }, 400],
    ["/fs/delete_file", { path: "missing" }, 404], ["/fs/delete_file", { path: "." }, 400], ["/fs/delete_file", { path: "dir/.." }, 400],
    ["/fs/write_file", { path: "dir", content: "" }, 500], ["/fs/write_file", { path: "file/below", content: "" }, 500],
    ["/fs/read_file", { path: "../x" }, 403], ["/fs/read_file", { path: "/etc/passwd" }, 403], ["/fs/read_file", { path: "out-file" }, 403],
    ["/fs/read_file", { path: "out-dir/secret" }, 403], ["/fs/list_dir", { path: "out-dir" }, 403], ["/fs/delete_file", { path: "out-dir/secret" }, 403],
    ["/fs/write_file", { path: "out-dir/new", content: "" }, 500], ["/fs/write_file", { path: "out-new", content: "" }, 500],
    ["/fs/read_file", { path: "loop-a" }, 400], ["/fs/read_file", { path: "x".repeat(300) }, 400], ["/fs/read_file", {}, 422],
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

  test("a failed upload is no success and leaves nothing behind", async () => {
    expect(await (await upload("dir", Uint8Array.of(1))).json()).toMatchObject({ success: false, error: expect.stringContaining("directory") });
    expect((await upload("out-dir/x", Uint8Array.of(1))).status).toBe(403);
    expect(readdirSync(path.join(ship.workspace, "dir"))).toEqual([]);
  });

  test.each([["missing", 404], ["dir", 400], ["out-file", 403], ["../../etc/passwd", 403]])("a download of %s is refused with %i", async (file, status) => {
    expect((await fetch(`${ship.url}/fs/download?file_path=${encodeURIComponent(file)}`)).status).toBe(status);
  });

  test("no path leads outside, whatever its parts are", async () => {
    const workspace = new Workspace(ship.workspace);
    const part = fc.oneof(fc.constantFrom("..", ".", "", "dir", "file", "in-dir", "out-dir", "out-file", "out-new", "loop-a", "tmp", "secret"), fc.string({ maxLength: 8 }));
    await fc.assert(fc.asyncProperty(fc.boolean(), fc.array(part, { maxLength: 8 }), async (absolute, parts) => {
      const real = await workspace.resolve((absolute ? "/" : "") + parts.join("/")).catch((error: { status?: number }) => {
        expect([400, 403]).toContain(error.status); // refused by name, never by accident
        return ship.workspace;
      });
      expect(real === ship.workspace || real.startsWith(`${ship.workspace}/`)).toBe(true);
    }), { numRuns: 500 });
  });
});
