import fc from "fast-check";
import { readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { hiddenName, shownName } from "../src/file-names";
import { type RunningShip, startShip } from "./support/start-ship";

describe("file names that are no UTF-8", () => {
  let ship: RunningShip;
  beforeAll(async () => {
    ship = await startShip();
  });
  afterAll(async () => {
    await ship.stop();
  });
  const at = (...parts: (string | Buffer)[]): Buffer =>
    Buffer.concat([Buffer.from(`${ship.workspace}/`), ...parts.map((part) => Buffer.from(part as string))]);
  const list = async (folder: string) =>
    (
      (await ship.post("/fs/list_dir", { path: folder })).body as { files: { name: string; size: number | null }[] }
    ).files.map(({ name, size }) => [name, size]);
  const read = async (name: string) => (await ship.post("/fs/read_file", { path: name })).body as { content?: string };

  test("are listed beside the others, read, written, downloaded and deleted by the name that is shown", async () => {
    await ship.post("/shell/exec", {
      command:
        "mkdir -p folder/$'in\\xffner'; printf one > folder/$'caf\\xe9'; printf two > folder/café; printf three > folder/$'in\\xffner'/x",
    });
    expect(await list("folder")).toEqual([
      ["in\\xffner", null],
      ["caf\\xe9", 3],
      ["café", 3],
    ]);
    expect(await list("folder/in\\xffner")).toEqual([["x", 5]]);
    expect([await read("folder/caf\\xe9"), await read("folder/café"), await read("folder/in\\xffner/x")]).toMatchObject(
      [{ content: "one" }, { content: "two" }, { content: "three" }],
    );
    await ship.post("/fs/write_file", { path: "folder/caf\\xe9", content: "again" });
    expect(
      await (await fetch(`${ship.url}/fs/download?file_path=${encodeURIComponent("folder/caf\\xe9")}`)).text(),
    ).toBe("again");
    expect((await ship.post("/fs/delete_file", { path: "folder/caf\\xe9" })).status).toBe(200);
    expect((await ship.post("/fs/delete_file", { path: "folder/in\\xffner" })).status).toBe(200);
    expect(readdirSync(path.join(ship.workspace, "folder"))).toEqual(["café"]);
  });

  test("a name that is what it seems comes first, and a link may lead to one that is not", async () => {
    writeFileSync(at("b\\xff"), "seeming");
    expect(await read("b\\xff")).toMatchObject({ content: "seeming" });
    writeFileSync(at("b", Buffer.from([0xff])), "bytes");
    expect(await read("b\\xff")).toMatchObject({ content: "seeming" });
    writeFileSync(at("t", Buffer.from([0xfe])), "target");
    symlinkSync(Buffer.from([0x74, 0xfe]), at("link"));
    expect(await read("link")).toMatchObject({ content: "target" });
  });

  test("no shown byte stands for a slash, a dot or a zero, and what is shown leads back", () => {
    fc.assert(
      fc.property(
        fc
          .uint8Array({ minLength: 1, maxLength: 20 })
          .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x5c ? 0x2d : byte)))),
        (name) => {
          const shown = shownName(name);
          expect(shown).not.toMatch(/\p{Surrogate}/u);
          expect(hiddenName(shown) ?? Buffer.from(shown)).toEqual(name);
        },
      ),
    );
    for (const shown of ["a\\x2fb", "\\x2e\\x2e", "\\x00", "caf\\xc3\\xa9"]) expect(hiddenName(shown)).toBeUndefined();
  });
});
