import { createHash, randomBytes } from "node:crypto";
import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { expectRefusal, newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
});

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const names = async (path?: string): Promise<string[]> =>
  expectStatus(await sandbox.list(path), 200).entries.map(({ name }) => name);

describe("text files @filesystem", () => {
  it("FILE-1 reads back what was written, and what it was overwritten with", async () => {
    for (const content of ["first\n", "", "second: æøå 漢字 🚀\n"]) {
      expect(expectStatus(await sandbox.writeFile("plain.txt", content), 200)).toEqual({ status: "ok" });
      expect(expectStatus(await sandbox.readFile("plain.txt"), 200)).toEqual({ content });
    }
  });

  it("FILE-4 makes the folders of a nested path", async () => {
    expectStatus(await sandbox.writeFile("a/b/c.txt", "nested"), 200);
    expect(expectStatus(await sandbox.readFile("a/b/c.txt"), 200)).toEqual({ content: "nested" });
    expect(await names("a")).toEqual(["b"]);
  });

  it("FILE-2 lists folders first, then files, each with its size", async () => {
    expectStatus(await sandbox.writeFile("listed/one.txt", "1"), 200);
    expectStatus(await sandbox.writeFile("listed/Two.txt", "22"), 200);
    expectStatus(await sandbox.writeFile("listed/zoo/inner.txt", ""), 200);
    const { entries } = expectStatus(await sandbox.list("listed"), 200);
    expect(entries).toEqual([
      {
        name: "zoo",
        path: "/workspace/listed/zoo",
        is_file: false,
        is_dir: true,
        size: null,
        modified_time: expect.any(Number),
      },
      {
        name: "one.txt",
        path: "/workspace/listed/one.txt",
        is_file: true,
        is_dir: false,
        size: 1,
        modified_time: expect.any(Number),
      },
      {
        name: "Two.txt",
        path: "/workspace/listed/Two.txt",
        is_file: true,
        is_dir: false,
        size: 2,
        modified_time: expect.any(Number),
      },
    ]);
  });

  it("FILE-3 deletes a file: then it is neither listed nor found", async () => {
    expectStatus(await sandbox.writeFile("doomed/file.txt", "x"), 200);
    expect(expectStatus(await sandbox.deleteFile("doomed/file.txt"), 200)).toEqual({ status: "ok" });
    expect(await names("doomed")).toEqual([]);
    expectRefusal(await sandbox.download("doomed/file.txt"), 404, "file_not_found");
  });

  it("deletes a folder with all that is in it", async () => {
    expectStatus(await sandbox.writeFile("tree/deep/leaf.txt", "x"), 200);
    expectStatus(await sandbox.deleteFile("tree"), 200);
    expect(await names()).not.toContain("tree");
  });
});

describe("binary files @filesystem", () => {
  it.each([
    ["XFER-1 text", Buffer.from("uploaded text\n")],
    [
      "XFER-2 all 256 byte values after a PNG header",
      Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.from(Array.from({ length: 256 }, (_, i) => i))]),
    ],
    ["nothing at all", Buffer.alloc(0)],
    ["1 MB of random bytes", randomBytes(1_000_000)],
    ["16 MB of random bytes", randomBytes(16_000_000)],
  ])("uploads and downloads %s unchanged", async (title, content) => {
    const path = `transfer/${sha256(Buffer.from(title)).slice(0, 8)}.bin`;
    expect(expectStatus(await sandbox.upload(path, content), 200)).toEqual({
      status: "ok",
      path,
      size: content.length,
    });
    const back = expectStatus(await sandbox.download(path), 200);
    expect({ size: back.length, sha256: sha256(back) }).toEqual({ size: content.length, sha256: sha256(content) });
  });

  it("XFER-3 uploads to a nested path, and the shell sees the same bytes", async () => {
    const content = randomBytes(70_000);
    expectStatus(await sandbox.upload("up/load/ed.bin", content), 200);
    expect(expectStatus(await sandbox.shell("sha256sum up/load/ed.bin | cut -d' ' -f1"), 200).output).toBe(
      sha256(content),
    );
  });

  it("downloads bytes that a program made, under the file's own name", async () => {
    expectStatus(await sandbox.python("open('made.bin', 'wb').write(bytes(range(256)) * 4); None"), 200);
    const answer = await sandbox.download("made.bin");
    expect(expectStatus(answer, 200).equals(Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256)))).toBe(true);
    expect(answer.headers["content-disposition"]).toBe('attachment; filename="made.bin"');
  });

  it("XFER-4 says 404 file_not_found for a file that is not there", async () => {
    expectRefusal(await sandbox.download("never/written.bin"), 404, "file_not_found");
  });

  it.each([
    ["reading", (path: string) => sandbox.readFile(path)],
    ["listing", (path: string) => sandbox.list(path)],
    ["deleting", (path: string) => sandbox.deleteFile(path)],
  ])("says 502 ship_error for %s what is not there", async (_, call) => {
    expectRefusal(await call("never/written.txt"), 502, "ship_error");
  });
});
