import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withLock } from "./cache";
import { ownEntries } from "./upkeep";

const MADE = "pulumi-cli-3.250.0-cc8a49dfd846";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "bay-e2e-cache-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const folders = (...names: string[]) => {
  for (const name of names) mkdirSync(join(root, name));
};

test("a cache folder that was empty when it was first used is the fallback's own, with all that it puts there", async () => {
  await withLock("thing", () => Promise.resolve(), root);
  folders("pulumi", "docker", MADE, "mine");
  expect(ownEntries(root)).toEqual(["docker", "locks", "pulumi", MADE]);
});

test("in one that the user has for more, only what nobody else could name so is", async () => {
  folders("pulumi", "docker");
  writeFileSync(join(root, "docker", "config.json"), "{}");
  await withLock("thing", () => Promise.resolve(), root);
  folders(MADE);
  expect(ownEntries(root)).toEqual([MADE]);
});
