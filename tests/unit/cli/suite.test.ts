import { Command } from "commander";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Run } from "../../../cli/report";
import { commandOf, testOptions, type TestOptions } from "../../../cli/testing/test-options";
import { testFile, testFiles } from "../../../cli/testing/test-files";

const parse = (...words: string[]): TestOptions =>
  testOptions(new Command("test").exitOverride()).parse(words, { from: "user" }).opts<TestOptions>();

describe("--suite", () => {
  test("is bay unless it is said", () => {
    expect([parse().suite, parse("--suite", "checkpoint").suite]).toEqual(["bay", "checkpoint"]);
  });

  test.each([
    ["chekpoint", "checkpoint"],
    ["bya", "bay"],
    ["hostlie", "hostile"],
  ])("%s is refused with the nearest", (word, near) => {
    expect(() => parse("--suite", word)).toThrow(
      expect.objectContaining({
        code: "E_USAGE",
        seen: expect.stringContaining(`did you mean ${near}?`),
        next: `npm run e2e -- --suite ${near}`,
      }) as Error,
    );
  });

  test("stands in the command that runs the same order again", () => {
    expect(commandOf("npm test", { ...parse("--suite", "checkpoint"), stack: "s" }, [], 7)).toBe(
      "npm test -- --stack s --suite checkpoint --seed 7",
    );
  });

  test("stands in the run's report, whatever became of the run", async () => {
    const run = new Run("no-stack", "checkpoint");
    try {
      expect(await run.finish(undefined)).toMatch(/suite checkpoint/);
      expect(JSON.parse(readFileSync(join(run.folder, "report.json"), "utf8"))).toMatchObject({
        suite: "checkpoint",
        stack: "no-stack",
      });
    } finally {
      rmSync(run.folder, { recursive: true });
    }
  });

  test("finds its files, and their markers", () => {
    expect(
      testFiles()
        .filter(({ project }) => project === "checkpoint")
        .map(({ path }) => path),
    ).toEqual(expect.arrayContaining(["tests/checkpoint/workflow.test.ts", "tests/environment/environment.test.ts"]));
    expect(testFile("tests/checkpoint/propagator-restarts.test.ts").tags).toContain("serial");
    expect(testFile("tests/e2e/core/auth.test.ts").project).toBe("e2e");
  });
});
