import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { openOnes } from "../../../../cli/preview/forge";
import { comment } from "../../../../cli/preview/summary";

const folder = mkdtempSync(join(tmpdir(), "bay-e2e-forge-"));
const path = process.env["PATH"];
const place = process.env["INIT_CWD"];
afterEach(() => {
  process.env["PATH"] = path;
  rmSync(join(folder, "gh"), { force: true });
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (place === undefined) delete process.env["INIT_CWD"];
  else process.env["INIT_CWD"] = place;
});

/** A program in the place of gh, which cannot be had here: it keeps its words and its input. */
function standIn(script: string): void {
  writeFileSync(join(folder, "gh"), `#!/bin/sh\necho "$@" >> ${join(folder, "words")}\n${script}\n`);
  chmodSync(join(folder, "gh"), 0o755);
  process.env["PATH"] = `${folder}${delimiter}${path ?? ""}`;
}

const none = { pullRequests: false };

describe("the open pull requests", () => {
  test("are nobody's to tell where nobody asked", async () => {
    await expect(openOnes(none)).resolves.toBeUndefined();
  });

  test("are read from a file, by blanks, commas and lines, with or without a #", async () => {
    process.env["INIT_CWD"] = folder;
    writeFileSync(join(folder, "open.txt"), "12, #13\n pr-14\n\n");
    await expect(openOnes({ ...none, openFile: "open.txt" })).resolves.toEqual(new Set(["12", "13", "pr-14"]));
  });

  test("are printed by a command", async () => {
    await expect(openOnes({ ...none, openCommand: "echo 5; echo 6" })).resolves.toEqual(new Set(["5", "6"]));
  });

  test("are asked of the forge's CLI", async () => {
    standIn(`echo '[{"number":3},{"number":4}]'`);
    await expect(openOnes({ pullRequests: true })).resolves.toEqual(new Set(["3", "4"]));
  });

  test.each<[string, () => Promise<unknown>, object]>([
    [
      "a file that is not there",
      () => openOnes({ ...none, openFile: join(folder, "no.txt") }),
      { code: "E_FORGE", seen: expect.stringContaining("no such file") as string },
    ],
    [
      "a command that fails",
      () => openOnes({ ...none, openCommand: "echo broken >&2; exit 3" }),
      { code: "E_FORGE", seen: "--open-command ended with 3", detail: "broken" },
    ],
    [
      "two sources",
      () => openOnes({ ...none, openFile: "a", openCommand: "b" }),
      { code: "E_USAGE", seen: "--open-file and --open-command" },
    ],
  ])("cannot be told by %s, which is not the same as none", async (_, ask, wanted) => {
    await expect(ask()).rejects.toMatchObject(wanted);
  });

  test("cannot be told by a CLI that is missing, or not logged in", async () => {
    process.env["PATH"] = folder;
    const without = openOnes({ pullRequests: true });
    await expect(without).rejects.toMatchObject({
      code: "E_FORGE",
      seen: expect.stringContaining(`no program "gh"`) as string,
      next: expect.stringContaining("--open-file") as string,
    });
    standIn("echo 'gh auth login' >&2; exit 4");
    await expect(openOnes({ pullRequests: true })).rejects.toMatchObject({
      code: "E_FORGE",
      seen: "gh ended with 4",
      detail: "gh auth login",
    });
  });
});

describe("the comment of a pull request", () => {
  test.each([
    ["made where there is none", "", /^api --method POST repos\/\{owner\}\/\{repo\}\/issues\/12\/comments/m],
    ["updated where there is one", "99", /^api --method PATCH repos\/\{owner\}\/\{repo\}\/issues\/comments\/99/m],
  ])("is %s", async (_, id, call) => {
    rmSync(join(folder, "words"), { force: true });
    standIn(`case "$*" in *--jq*) echo ${id};; *) cat > ${join(folder, "body")};; esac`);
    await comment(12, "pr-12", 'Text with "quotes"\n');
    expect(readFileSync(join(folder, "words"), "utf8")).toMatch(call);
    expect(JSON.parse(readFileSync(join(folder, "body"), "utf8"))).toEqual({ body: 'Text with "quotes"\n' });
  });
});
