import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installCommand } from "../install";
import { splitWords } from "../options";

test.each([
  [undefined, undefined, ["npm", "install", "--loglevel=error"]],
  ["yarn.lock", undefined, ["yarn", "install"]],
  ["pnpm-lock.yaml", undefined, ["pnpm", "install"]],
  ["yarn.lock", "npm", ["npm", "install", "--loglevel=error"]],
])("with %s and the option packagemanager %s the command is %j", (lockFile, wanted, command) => {
  const folder = mkdtempSync(join(tmpdir(), "install-"));
  if (lockFile) writeFileSync(join(folder, lockFile), "");
  expect(installCommand(folder, wanted)).toEqual(command);
  rmSync(folder, { recursive: true });
});

test.each([
  ["", []],
  ["--a  --b=c", ["--a", "--b=c"]],
  [`--title="a b" 'c d'`, ["--title=a b", "c d"]],
])("the words of %j are %j", (line, words) => {
  expect(splitWords(line)).toEqual(words);
});
