import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installCommand } from "../install";
import { splitWords } from "../options";

test.each([
  ["no lock file", undefined, undefined, ["npm", "install", "--loglevel=error"]],
  ["yarn.lock", "yarn.lock", undefined, ["yarn", "install"]],
  ["pnpm-lock.yaml", "pnpm-lock.yaml", undefined, ["pnpm", "install"]],
  ["yarn.lock and the option packagemanager", "yarn.lock", "npm", ["npm", "install", "--loglevel=error"]],
])("the install command with %s", (_, lockFile, option, command) => {
  const folder = mkdtempSync(join(tmpdir(), "install-"));
  if (lockFile) writeFileSync(join(folder, lockFile), "");
  expect(installCommand(folder, option)).toEqual(command);
  rmSync(folder, { recursive: true });
});

test.each([
  ["", []],
  ["--a  --b=c", ["--a", "--b=c"]],
  [`--title="a b" 'c d'`, ["--title=a b", "c d"]],
])("the words of %j are %j", (line, words) => {
  expect(splitWords(line)).toEqual(words);
});
