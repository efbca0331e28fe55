import { type Answer, expectStatus, type SandboxClient } from "../../support/bay-client";
import { cluster, expectRefusal, newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
/** Never runs anything that is accepted, so it must never have a pod. */
let untouched: SandboxClient;
beforeAll(async () => {
  [sandbox, untouched] = await Promise.all([newSandbox(mine), newSandbox(mine)]);
});

type Call = (path: string) => Promise<Answer<unknown>>;
const read: Call = (path) => untouched.readFile(path);
const write: Call = (path) => untouched.writeFile(path, "x");
const list: Call = (path) => untouched.list(path);
const remove: Call = (path) => untouched.deleteFile(path);
const download: Call = (path) => untouched.download(path);
const upload: Call = (path) => untouched.upload(path, Buffer.from("x"));
const shell: Call = (cwd) => untouched.shell("pwd", { cwd });

describe("a path that leaves the workspace @security", () => {
  it.each([
    ["PATH-1", "read", "/etc/passwd", "absolute_path", read],
    ["PATH-1", "read", "../secret.txt", "path_traversal", read],
    ["PATH-1", "read", "a/../../etc/passwd", "path_traversal", read],
    ["", "read", "/workspace/inside.txt", "absolute_path", read],
    ["", "read", "", "empty_path", read],
    ["", "read", "a\0b", "null_byte", read],
    ["PATH-2", "write", "/tmp/evil.sh", "absolute_path", write],
    ["PATH-2", "write", "../secret.txt", "path_traversal", write],
    ["", "write", "", "empty_path", write],
    ["", "write", "a\0b", "null_byte", write],
    ["PATH-3", "list", "/etc/passwd", "absolute_path", list],
    ["PATH-3", "list", "../", "path_traversal", list],
    ["PATH-4", "delete", "/etc/passwd", "absolute_path", remove],
    ["", "delete", "a/../..", "path_traversal", remove],
    ["PATH-5", "download", "/etc/passwd", "absolute_path", download],
    ["", "download", "../../etc/shadow", "path_traversal", download],
    ["PATH-6", "upload", "/tmp/evil.txt", "absolute_path", upload],
    ["PATH-6", "upload", "../../evil.txt", "path_traversal", upload],
    ["PATH-7", "shell", "/etc", "absolute_path", shell],
    ["PATH-7", "shell", "../", "path_traversal", shell],
  ] as [string, string, string, string, Call][])(
    "%s %s %j is refused with 400 invalid_path (%s)",
    async (_, __, path, reason, call) => {
      const error = expectRefusal(await call(path), 400, "invalid_path");
      expect(error.details).toEqual({ field: call === shell ? "cwd" : "path", reason });
    },
  );

  it("starts no pod", async () => {
    expect(await cluster.sessionPods(untouched.id)).toEqual([]);
  });

  it("is refused when a link leads out of the workspace, and shows nothing of what is there", async () => {
    expectStatus(await sandbox.shell("ln -s /etc/passwd sly.txt && ln -s /tmp outside"), 200);
    for (const answer of [
      await sandbox.readFile("sly.txt"),
      await sandbox.download("sly.txt"),
      await sandbox.writeFile("outside/x", "x"),
    ]) {
      expectRefusal(answer, 502, "ship_error");
      expect(JSON.stringify(answer.data)).not.toContain("root:");
    }
  });
});

describe("a path inside the workspace @security", () => {
  it.each([
    ["PATH-8", "nowhere/../normal.txt"],
    ["", "./normal.txt"],
    ["", "x//..//normal.txt"],
  ])("%s is found however it is written: %s", async (_, path) => {
    expectStatus(await sandbox.writeFile("normal.txt", "found"), 200);
    expect(expectStatus(await sandbox.readFile(path), 200)).toEqual({ content: "found" });
  });

  it.each([
    ["PATH-9", ".gitignore"],
    ["", "...dots"],
    ["", "two..dots"],
    ["", "with space é漢.txt"],
  ])("%s may be called %s", async (_, path) => {
    expectStatus(await sandbox.writeFile(path, "named"), 200);
    expect(expectStatus(await sandbox.readFile(path), 200)).toEqual({ content: "named" });
  });

  it("is given back as it is after normalising by an upload", async () => {
    expect(expectStatus(await sandbox.upload("./up/../uploaded.bin", Buffer.from("x")), 200).path).toBe("uploaded.bin");
  });

  it("PATH-10, PATH-11 is where the shell starts", async () => {
    expect(expectStatus(await sandbox.shell("mkdir -p subdir; pwd"), 200).output).toBe("/workspace");
    expect(expectStatus(await sandbox.shell("pwd", { cwd: "subdir" }), 200).output).toBe("/workspace/subdir");
  });
});
