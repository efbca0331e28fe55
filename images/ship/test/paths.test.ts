import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { Workspace } from "../src/workspace";
import { WorkspaceError } from "../src/workspace-error";

let top: string;
let root: string;
let outside: string;
let workspace: Workspace;
beforeEach(() => {
  top = mkdtempSync(path.join(os.tmpdir(), "ship-paths-"));
  root = path.join(top, "workspace");
  outside = path.join(top, "outside");
  for (const folder of [path.join(root, "dir/below"), outside, `${root}-beside`])
    mkdirSync(folder, { recursive: true });
  for (const file of [path.join(outside, "secret"), `${root}-beside/secret`]) writeFileSync(file, "secret");
  writeFileSync(path.join(root, "dir/file"), "inside");
  workspace = new Workspace(root);
});
afterEach(() => {
  rmSync(top, { recursive: true });
});

const link = (target: string, name: string) => {
  symlinkSync(target, path.join(root, name));
};
const read = async (name: string) => (await workspace.readText(name)).content;
const status = (work: Promise<unknown>) =>
  work.then(
    () => 200,
    (error: unknown) => (error instanceof WorkspaceError ? error.status : String(error)),
  );
const untouched = () => {
  expect([
    readdirSync(outside),
    readFileSync(path.join(outside, "secret"), "utf8"),
    readdirSync(`${root}-beside`),
  ]).toEqual([["secret"], "secret", ["secret"]]);
};

describe("a path in the workspace", () => {
  test.each([
    ["dir/file"],
    ["./dir//file"],
    ["dir/below/../file"],
    ["missing/../dir/file"],
    ["dir/file/"],
    ["ROOT/dir/file"],
    ["short"],
    ["in-dir/file"],
    ["absolute"],
    ["chain"],
    ["dir/below/up"],
    ["self/self/dir/file"],
  ])("%s is read", async (name) => {
    link("dir/file", "short");
    link("dir", "in-dir");
    link(path.join(root, "dir/file"), "absolute");
    link("in-dir/./../short", "chain");
    link("../../in-dir/file", "dir/below/up");
    link(".", "self");
    expect(await read(name.replace("ROOT", root))).toBe("inside");
  });

  test.each(
    [
      ["..", 403],
      ["../outside/secret", 403],
      ["dir/../../outside/secret", 403],
      ["/etc/passwd", 403],
      ["OUTSIDE/secret", 403],
      ["ROOT-beside/secret", 403],
      ["ROOT/../outside/secret", 403],
      ["/proc/self/cwd", 403],
      ["to-dir/secret", 403],
      ["to-file", 403],
      ["to-beside/secret", 403],
      ["climbs", 403],
      ["in-and-out/secret", 403],
      ["to-proc", 403],
      ["loop", 400],
      ["long-loop/x", 400],
      ["dir/file\0", 400],
      ["\ud800", 400],
      ["x".repeat(256), 400],
      ["é".repeat(128), 400],
      ["x/".repeat(2500), 400],
      ["missing", 404],
      ["dir/file/below", 404],
      ["dangling", 404],
      ["to-file/x", 403],
      ["dir", 400],
      ["pipe", 400],
      ["", 400],
    ].map(([name, expected]) => [JSON.stringify(name).slice(0, 40), name, expected] as [string, string, number]),
  )("%s is refused", async (_title, name, expected) => {
    link(outside, "to-dir");
    link(path.join(outside, "secret"), "to-file");
    link(`${root}-beside`, "to-beside");
    link("../outside/secret", "climbs");
    link("dir/../../outside", "in-and-out");
    link("/proc/self/root/etc/passwd", "to-proc");
    link("loop", "loop");
    link("long-loop/x", "long-loop");
    link("nowhere", "dangling");
    execFileSync("mkfifo", [path.join(root, "pipe")]);
    const asked = name.replace("ROOT", root).replace("OUTSIDE", outside);
    expect(await status(workspace.readText(asked))).toBe(expected);
    if (expected !== 404) expect(await status(workspace.writeText(asked, "evil", "w"))).toBe(500);
    if (expected === 403) expect(await status(workspace.store(asked, Readable.from(["evil"])))).toBe(403);
    untouched();
  });

  test("forms of one letter in Unicode are different names", async () => {
    await workspace.writeText("\u00e9", "composed", "w");
    await workspace.writeText("e\u0301", "decomposed", "w");
    expect([await read("\u00e9"), await read("e\u0301")]).toEqual(["composed", "decomposed"]);
    expect((await workspace.list(".", false)).files.map(({ name }) => name)).toEqual(["dir", "e\u0301", "\u00e9"]);
  });

  test("a name of 255 bytes and a path of many parts can be used", async () => {
    const deep = [..."d".repeat(300)].join("/");
    for (const name of ["n".repeat(255), `${deep}/file`]) {
      await workspace.writeText(name, "ok", "w");
      expect(await read(name)).toBe("ok");
    }
    await workspace.remove("d");
    expect(existsSync(path.join(root, "d"))).toBe(false);
  });

  test("a list tells nothing of what lies outside", async () => {
    link(path.join(outside, "secret"), "to-file");
    link(outside, "to-dir");
    link("dir/file", "short");
    const kinds = (await workspace.list(".", true)).files.map(({ name, is_file, is_dir, size }) => [
      name,
      is_file,
      is_dir,
      size,
    ]);
    expect(kinds).toEqual([
      ["dir", false, true, null],
      ["short", true, false, 6],
      ["to-dir", false, false, Buffer.byteLength(outside)],
      ["to-file", false, false, Buffer.byteLength(path.join(outside, "secret"))],
    ]);
  });

  test("removing goes through no link, and takes names that are no text", async () => {
    link(outside, "dir/below/out");
    writeFileSync(Buffer.concat([Buffer.from(`${root}/dir/`), Buffer.from([0xff, 0xfe])]), "");
    await workspace.remove("dir");
    expect(existsSync(path.join(root, "dir"))).toBe(false);
    untouched();
  });

  test("whatever links and paths there are, nothing outside is read or changed, and each refusal has its status", async () => {
    const part = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("..", ".", "a", "b", "dir", "below", "file", "secret", "outside") },
      { weight: 1, arbitrary: fc.string({ maxLength: 6, unit: "binary" }) },
    );
    const somewhere = fc
      .tuple(fc.constantFrom("", "/", "ROOT/", "OUTSIDE/"), fc.array(part, { maxLength: 5 }))
      .map(([start, parts]) => start + parts.join("/"));
    const real = (name: string) => name.replace("ROOT", () => root).replace("OUTSIDE", () => outside);
    await fc.assert(
      fc.asyncProperty(somewhere, somewhere, somewhere, async (first, second, asked) => {
        for (const [name, target] of [
          ["a", first],
          ["dir/b", second],
        ] as const) {
          mkdirSync(path.join(root, "dir"), { recursive: true });
          // Not rmSync: in Node 24.0 to 24.9 it leaves a link that points nowhere.
          await rm(path.join(root, name), { force: true, recursive: true });
          if (target !== "" && !target.includes("\0") && !/\p{Surrogate}/u.test(target)) link(real(target), name);
        }
        const name = real(asked);
        const found = await workspace.readText(name).then(
          ({ content }) => content,
          (error: unknown) => error,
        );
        expect(found).not.toBe("secret");
        if (found instanceof Error) expect(found).toBeInstanceOf(WorkspaceError);
        for (const work of [
          () => workspace.writeText(name, "evil", "w"),
          () => workspace.store(name, Readable.from(["evil"])),
          () => workspace.remove(name),
        ]) {
          expect([200, 400, 403, 404, 500]).toContain(await status(work()));
          untouched();
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe("while a directory is exchanged for a link to the outside, again and again", () => {
  let swapper: ChildProcess;
  beforeEach(async () => {
    mkdirSync(path.join(root, "flip"));
    writeFileSync(path.join(root, "flip/secret"), "harmless");
    link("../outside", "evil");
    // RENAME_EXCHANGE: there is a "flip" at every moment, one or the other.
    const script =
      "import ctypes\nlibc = ctypes.CDLL(None)\nprint('ready', flush=True)\nwhile libc.renameat2(-100, b'flip', -100, b'evil', 2) == 0: pass";
    swapper = spawn("python3", ["-c", script], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    await once(swapper.stdout!, "data");
  });
  afterEach(async () => {
    const ended = once(swapper, "exit");
    expect(swapper.kill("SIGKILL")).toBe(true); // it was at it to the end
    await ended;
  });

  test("reading, writing, transfers, lists and removals never come out", async () => {
    const seen = new Set<unknown>();
    for (let round = 0; round < 100; round++) {
      const content = await Promise.all([
        read("flip/secret").catch(() => "refused"),
        workspace.openFile("flip/secret").then(
          async ({ handle }) => text(handle.createReadStream()),
          () => "refused",
        ),
      ]);
      content.forEach((each) => seen.add(each));
      await Promise.all([
        status(workspace.writeText("flip/new", "evil", "w")),
        status(workspace.store("flip/new-too", Readable.from(["evil"]))),
        status(workspace.remove("flip/secret")),
        workspace.list("flip", true).then(
          ({ files }) => {
            files.forEach(({ name, size }) => {
              if (name === "secret") seen.add(size === 8 ? "harmless" : "listed");
            });
          },
          () => undefined,
        ),
      ]);
      await status(workspace.writeText("flip/secret", "harmless", "w"));
    }
    expect([...seen].filter((each) => each !== "refused" && each !== "harmless" && each !== "")).toEqual([]);
    untouched();
  });
});
