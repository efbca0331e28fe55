import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listTests, runTests, type TestPlan } from "../../cli/testing/run-tests";
import type { TestOptions } from "../../cli/testing/test-options";
import { npmRun } from "./runner";

// Each test starts Jest once or more, the last ones on a stack that is up.
jest.setTimeout(300_000);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "selection-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("the runner's choice among tests of its own, without a stack", () => {
  /** What the runner itself printed. */
  let said = "";
  beforeEach(() => {
    said = "";
    jest.spyOn(process.stderr, "write").mockImplementation((text) => {
      said += String(text);
      return true;
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /**
   * The tests of tests/lifecycle/fixtures/selection: eight apples, of which one is skipped and one fails, and two
   * pears.
   */
  function plan(options: Partial<TestOptions>, words: string[] = []): TestPlan {
    return {
      // One of its tests fails on purpose: that must not look like a failure of this suite.
      call: "npm run e2e",
      projects: ["e2e"],
      folder,
      output: join(folder, "jest.log"),
      options: { stack: "none", verbose: false, parallel: true, list: false, suite: "bay", ...options },
      words: ["--config", "tests/lifecycle/fixtures/selection/jest.config.ts", ...words],
    };
  }

  /** Returns the number of the line in a fixture that has a title, so that formatting the fixture breaks no test. */
  function lineWith(fixture: string, title: string): number {
    const source = readFileSync(join(__dirname, "fixtures/selection", `${fixture}.test.ts`), "utf8");
    return source.split("\n").findIndex((line) => line.includes(`"${title}"`)) + 1;
  }

  /** Names of the tests that ran, as Jest's own result has them, in their order. */
  function ran(): string[] {
    const { testResults } = JSON.parse(readFileSync(join(folder, "jest.json"), "utf8")) as {
      testResults: { assertionResults: { fullName: string; status: string }[] }[];
    };
    return testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .filter(({ status }) => status !== "pending")
      .map(({ fullName }) => fullName);
  }

  test("tests are listed with their files and lines, and none is run", async () => {
    const listed = await listTests(plan({ k: "pears or ripe" }));
    expect(listed.map(({ name, file, line }) => [name, file.split("/").pop(), line]).sort()).toEqual([
      ["apples @core that are not ripe", "apples.test.ts", lineWith("apples", "that are not ripe")],
      ["pears @shell are prepared once", "pears.test.ts", lineWith("pears", "are prepared once")],
      ["pears @shell ripen alone @serial", "pears.test.ts", lineWith("pears", "ripen alone @serial")],
    ]);
  });

  test("a failure ends the first phase: the serial test is not run, what is skipped in the source is counted, what is left out is not", async () => {
    const run = await runTests(plan({ k: "not sweet", junit: join(folder, "deep", "report.xml") }));
    expect(run).toMatchObject({
      passed: false,
      counts: { passed: 1, failed: 1, skipped: 1, notRun: 1 },
      rounds: [{ round: 1, phases: [{ name: "parallel", passed: 1, failed: 1, skipped: 1 }] }],
    });
    expect(said).toMatch(/The serial tests are not run, because others failed before: 1 of them\./);
    for (const file of ["junit.xml", "deep/report.xml"])
      expect(readFileSync(join(folder, file), "utf8")).toMatch(
        /<testsuites name="bay-e2e" tests="3" failures="1" errors="0"/,
      );
  });

  test("without a failure the serial tests follow alone, and one report has both phases", async () => {
    const run = await runTests(plan({ k: "pears or 'number 1'", n: 2 }));
    expect(run).toMatchObject({
      passed: true,
      counts: { passed: 3, failed: 0, skipped: 0, notRun: 0 },
      rounds: [
        {
          phases: [
            { name: "parallel", passed: 2 },
            { name: "serial", passed: 1 },
          ],
        },
      ],
    });
    expect(ran().slice(-1)).toEqual(["pears @shell ripen alone @serial"]);
    expect(readFileSync(join(folder, "junit.xml"), "utf8")).toMatch(
      /<testsuites name="bay-e2e" tests="3" failures="0" errors="0"/,
    );
    expect(run.slowest).toHaveLength(3);
  });

  test("a phase in which no test can be is left out", async () => {
    expect((await runTests(plan({ m: "serial" }))).rounds[0]?.phases.map(({ name }) => name)).toEqual(["serial"]);
    expect((await runTests(plan({ m: "shell and not serial" }))).rounds[0]?.phases.map(({ name }) => name)).toEqual([
      "parallel",
    ]);
  });

  test("rounds have seeds one after another, and the seed of a round brings its order back", async () => {
    const rounds = await runTests(plan({ k: "sweet", n: 1, repeat: 2, seed: 7 }));
    expect(rounds.rounds).toMatchObject([
      { round: 1, seed: 7 },
      { round: 2, seed: 8 },
    ]);
    expect(said).toMatch(/Round 1 of 2, seed 7[\s\S]*Round 2 of 2, seed 8/);
    const both = ran();
    const again = await runTests(plan({ k: "sweet", n: 1, seed: 8 }));
    expect([again.rounds[0]?.seed, ran()]).toEqual([8, both.slice(6)]);
    expect([...both.slice(0, 6)].sort()).toEqual([...both.slice(6)].sort());
    expect(both.slice(0, 6)).not.toEqual(both.slice(6));
  });

  test("the first failed round is the last, and tells how to repeat it", async () => {
    const run = await runTests(plan({ m: "slow", repeat: 3, seed: 40 }));
    expect(run.rounds.map(({ round }) => round)).toEqual([1]);
    expect(said).toMatch(
      /Round 1 failed, seed 40\. The same order again: npm run e2e -- --stack none -m slow --seed 40 -- --config /,
    );
  });

  test.each([
    ["words of no name", { k: "cherries" }, []],
    ["a marker of no test", { m: "gc" }, []],
    ["words for Jest", {}, ["-t", "cherries"]],
    ["a file for Jest", {}, ["--testPathPatterns=cherries"]],
  ])("%s are E_NO_TESTS, and no pass", async (_, options, words) => {
    await expect(runTests(plan(options, words))).rejects.toMatchObject({
      code: "E_NO_TESTS",
      next: "npm run e2e -- --list",
    });
  });

  test("words of no unit test say that E2E would need a stack", async () => {
    await expect(runTests({ ...plan({ m: "core" }), projects: ["unit"] })).rejects.toMatchObject({
      code: "E_NO_TESTS",
      seen: expect.stringContaining("because the stack none is not up"),
      next: expect.stringContaining("npm run up"),
    });
  });
});

describe("npm test on a stack that is up", () => {
  beforeAll(async () => {
    const up = npmRun(["up"]);
    expect([await up.done, up.output()]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    // The set-up names what could not be had, and no command says it all again.
    expect((up.output().match(/^ {2}fallback: /gm) ?? []).length).toBeLessThanOrEqual(1);
  });
  afterAll(async () => {
    await npmRun(["down"]).done;
  });

  /** Exit code and output of `npm test -- words`. */
  async function npmTest(...words: string[]): Promise<{ exit: number; output: string }> {
    const run = npmRun(["test", "--", ...words]);
    return { exit: await run.done, output: run.output() };
  }

  test("the serial tests of a file run alone, and nothing else is started for them", async () => {
    const { exit, output } = await npmTest("-m", "serial", "-k", "bay-pod");
    expect([exit, output]).toEqual([0, expect.stringMatching(/tests +\d+ passed, 0 failed, 0 skipped\n/)]);
    expect(output.match(/^(PASS|FAIL) .*/gm)).toEqual([
      expect.stringMatching(/^PASS e2e tests\/e2e\/resilience\/bay-pod\.test\.ts/),
    ]);
  });

  test("words choose tests of a file, in a random order with its seed, and a report is written where it was asked for", async () => {
    const file = join(folder, "report.xml");
    const { exit, output } = await npmTest("-k", "auth and AUTH-1", "--seed", "7", "-v", "--junit", file);
    expect([exit, output]).toEqual([
      0,
      expect.stringMatching(/Random order, seed 7[\s\S]*✓ AUTH-1 accepts the right key[\s\S]*slowest/),
    ]);
    const passed = Number(/tests +(\d+) passed, 0 failed, 0 skipped/.exec(output)![1]);
    expect(output.match(/✓/g)).toHaveLength(passed);
    expect(readFileSync(file, "utf8")).toContain(
      `<testsuites name="bay-e2e" tests="${passed}" failures="0" errors="0"`,
    );
  });

  test("words of no test are an error", async () => {
    const { exit, output } = await npmTest("-k", "nothing-of-that-name");
    expect([exit, output]).toEqual([
      2,
      expect.stringMatching(
        /E_NO_TESTS[\s\S]*no unit or E2E test matches -k "nothing-of-that-name"[\s\S]*npm test -- --list/,
      ),
    ]);
  });
});
