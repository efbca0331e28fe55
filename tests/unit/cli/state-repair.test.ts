import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { removeStaleLocks } from "../../../cli/clean-up/locks";
import { localStack } from "../../../cli/stack/state";
import { repairState } from "../../../cli/stack/state-repair";

let folder: string;
let file: string;
let locks: string;
const before = process.env["PULUMI_BACKEND_URL"];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-state-"));
  process.env["PULUMI_BACKEND_URL"] = pathToFileURL(folder).href;
  ({ file, locks } = localStack("s")!);
  for (const place of [dirname(file), locks]) mkdirSync(place, { recursive: true });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  if (before === undefined) Reflect.deleteProperty(process.env, "PULUMI_BACKEND_URL");
  else process.env["PULUMI_BACKEND_URL"] = before;
});

describe("a kill in the middle of a write of the local backend", () => {
  test("leaves empty attributes and a temporary file: they go, what is whole and what is another stack's stays", () => {
    const files = {
      "s.json": "{}",
      "s.json.attrs": "",
      "s.json.18ea.tmp": "{",
      "s.json.bak": "{}",
      "s.json.bak.attrs": "{}",
      "s2.json": "{}",
      "s2.json.attrs": "",
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dirname(file), name), text);
    const told: string[] = [];
    repairState("s", (line) => {
      told.push(line);
    });
    expect(readdirSync(dirname(file)).sort()).toEqual([
      "s.json",
      "s.json.bak",
      "s.json.bak.attrs",
      "s2.json",
      "s2.json.attrs",
    ]);
    expect(told).toHaveLength(2);
  });

  test("that hit the state itself goes back to the one before", () => {
    writeFileSync(file, '{"checkpoint":');
    writeFileSync(`${file}.bak`, '{"checkpoint":{}}');
    repairState("s", () => undefined);
    expect(readFileSync(file, "utf8")).toBe('{"checkpoint":{}}');
  });

  test("that hit a lock leaves one of nobody, which goes", () => {
    writeFileSync(join(locks, "a.json"), '{"pid":');
    writeFileSync(join(locks, "b.json.18ea.tmp"), "");
    removeStaleLocks("s");
    expect(readdirSync(locks)).toEqual([]);
  });
});
