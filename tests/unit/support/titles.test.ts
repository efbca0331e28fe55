import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../../cli/paths";
import config from "../../../jest.config";
import { isUntold } from "../../support/titles";

const ENVIRONMENT = join(ROOT, "tests", "support", "selecting-environment.ts");

test("a title that shows a value without a text is told from one that only has such a word", () => {
  for (const title of ["read undefined is refused", "is [object Object]", "calls [Function: read]"])
    expect([title, isUntold(title)]).toEqual([title, true]);
  for (const title of ["undefined_name fails", "an [objection] in brackets", "%ff and null"])
    expect([title, isUntold(title)]).toEqual([title, false]);
});

test("a file with such a title fails before its first test", () => {
  const folder = mkdtempSync(join(tmpdir(), "titles-"));
  const transform = { "\\.ts$": [join(ROOT, "node_modules/ts-jest"), { tsconfig: join(ROOT, "tests/tsconfig.json") }] };
  writeFileSync(join(folder, "jest.config.json"), JSON.stringify({ testEnvironment: ENVIRONMENT, transform }));
  writeFileSync(
    join(folder, "planted.test.js"),
    'test.each([[() => 1]])("read %j is refused", () => console.log("it ran"));\n',
  );
  const argv = [
    join(ROOT, "node_modules/jest/bin/jest.js"),
    "--rootDir",
    folder,
    "--config",
    `${folder}/jest.config.json`,
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: folder, encoding: "utf8" });
  expect(stderr).toMatch(/give each row of the table a name of its own:\n\s+read undefined is refused/);
  expect(stdout + stderr).not.toContain("it ran");
  expect(status).toBe(1);
});

test("every project has the environment that looks at titles", () => {
  for (const project of config.projects ?? []) {
    const { displayName, testEnvironment } = project as { displayName: string; testEnvironment: string };
    const file = testEnvironment.replace("<rootDir>", ROOT);
    if (file === ENVIRONMENT) continue;
    const source = readFileSync(file, "utf8");
    expect([displayName, source]).toEqual([
      displayName,
      expect.stringMatching(/class \w+ extends (Selecting|E2E)Environment /),
    ]);
    if (source.includes("handleTestEvent")) expect(source).toContain("await super.handleTestEvent(event, state)");
  }
});
