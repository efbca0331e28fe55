import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { copiesOfRemoved, removeCopies } from "../../../cli/stack/state-copies";

let folder: string;
let url: string;
const inState = (...words: string[]) => join(folder, ".pulumi", ...words);

/** The files of a local backend after a few operations on a stack. */
function plant(stack: string, removed: boolean): void {
  const files = [
    ...(removed
      ? []
      : [inState("stacks", "bay-e2e", `${stack}.json`), inState("stacks", "bay-e2e", `${stack}.json.attrs`)]),
    inState("stacks", "bay-e2e", `${stack}.json.bak`),
    inState("stacks", "bay-e2e", `${stack}.json.bak.attrs`),
    inState("backups", "bay-e2e", stack, `${stack}.1795635821534078767.json`),
    inState("history", "bay-e2e", stack, `${stack}-1.checkpoint.json`),
  ];
  for (const file of files) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "{}");
  }
}

const all = () =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(json|bak|attrs)$/.test(path))
    .sort();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "state-"));
  url = pathToFileURL(folder).href;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("the copies of a stack in a local backend", () => {
  test("go with the stack, and those of stacks with like names stay", () => {
    for (const other of ["k3s-two", "k3", "preview-k3s"]) plant(other, true);
    plant("kind", false);
    const before = all();
    plant("k3s", true);
    expect(copiesOfRemoved("k3s", url)).toHaveLength(4);
    removeCopies("k3s", url);
    expect(all()).toEqual(before);
    expect(copiesOfRemoved("k3s", url)).toEqual([]);
  });

  test("stay while the stack is there", () => {
    plant("k3s", false);
    const before = all();
    removeCopies("k3s", url);
    expect(all()).toEqual(before);
  });

  test.each(["", ".", "..", "../bay-e2e/kind"])("are none for the name %j, which is no stack's", (name) => {
    plant("kind", true);
    const before = all();
    removeCopies(name, url);
    expect(all()).toEqual(before);
  });

  test("are removed beneath their folder, and not where a link leads", () => {
    plant("k3s", true);
    const elsewhere = join(folder, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "kept.json"), "{}");
    symlinkSync(elsewhere, inState("backups", "bay-e2e", "k3s", "link"));
    removeCopies("k3s", url);
    expect(existsSync(join(elsewhere, "kept.json"))).toBe(true);
    expect(existsSync(inState("backups", "bay-e2e", "k3s"))).toBe(false);
  });

  test("are not looked for where the state is elsewhere", () => {
    expect(copiesOfRemoved("k3s", "s3://bucket")).toEqual([]);
  });
});
