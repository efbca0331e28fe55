import { existsSync, readdirSync, rmSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { type HostState, lookAtHost, ROOT } from "./host";
import { npmRun, type Running } from "./runner";
import { NODE_START, STACK, stackFile } from "./stack-file";

// Each test brings the whole stack up and takes it down again.
jest.setTimeout(400_000);

/** Nothing but the words that choose one file, on one worker: what is proven here is the way there and back. */
const e2e = (stack: string, ...words: string[]) =>
  npmRun([
    "e2e",
    "--",
    "--stack",
    stack,
    ...(words.length > 0 ? words : ["-n", "1", "--", "--testPathPatterns", "core/auth"]),
  ]);
/** The stack whose runs are ended: two dozen times, so it has nothing that is not needed for that. */
const SMALL = "leftovers";
const down = (stack = SMALL) => npmRun(["down", "--", "--stack", stack]);
const sweep = () => npmRun(["sweep", "--", "--stack", SMALL, "--yes"]);

let file: string;
beforeAll(() => {
  file = stackFile(SMALL);
});
afterAll(() => {
  rmSync(file, { force: true });
});

let before: HostState;
beforeEach(() => {
  before = lookAtHost();
});
afterEach(async () => {
  for (const stack of same() ? [] : [SMALL, STACK]) await down(stack).done;
});

/** The phases of a run, each by what it prints. */
const PHASES: readonly (readonly [string, RegExp])[] = [
  ["set-up", /> Tools/],
  ["the build of the images", /create Image images-(bay|ship)/],
  ["the node's start", NODE_START],
  ["the making of Bay's pod", /create Pod bay-pod/],
  ["the tests", /Running one project: e2e|RUNS|Determining test suites|PASS|tests\/e2e/],
  ["the destroy", new RegExp(`> Stack ${SMALL}: destroy`)],
];

describe("after the main job nothing of it is left on the host", () => {
  test("when everything passes", async () => {
    const run = e2e(STACK);
    await run.until(/> Tools/);
    // What the comparison would miss, it could not prove to be gone.
    expect(lookAtHost().processes).toContainEqual(expect.stringMatching(/dist\/cli\.js/));
    expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/Run passed/)]);
    expectNothingLeft();
  });

  test("when a test fails, and its evidence is kept", async () => {
    const run = e2e(STACK, "--", "--config", "tests/lifecycle/fixtures/failing.jest.config.ts");
    expect([await run.done, run.output()]).toEqual([1, expect.stringMatching(/Run failed/)]);
    expectNothingLeft();
    const folder = /report +(\S+)\/report\.json/.exec(run.output())![1]!;
    expect(readdirSync(join(folder, "failures"), { recursive: true }).join("\n")).toMatch(/bay/);
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(["evidence", "evidence.tar.gz", "pulumi.log"]));
    expect(run.output()).toMatch(
      /fails on purpose[\s\S]*Expected: "one that passes"; Received: "a test that fails"[\s\S]*failures\/[\s\S]*Evidence: artifacts\//,
    );
  });

  test.each([
    ...PHASES.map(([phase, moment]) => ["SIGINT", phase, moment] as const),
    // The others go the same way in the runner. What differs is npm and Jest around it: before there is a Jest, and
    // with one.
    ["SIGTERM", ...PHASES[1]!] as const,
    ["SIGTERM", ...PHASES[4]!] as const,
    // What a terminal that is closed sends.
    ["SIGHUP", ...PHASES[4]!] as const,
  ])("when %s comes during %s", async (signal, _, moment) => {
    const run = e2e(SMALL);
    await run.until(moment);
    run.signal(signal);
    // npm adds its own word on SIGTERM and SIGHUP, once all it started has ended.
    expect([await run.done, run.output()]).toEqual([
      128 + constants.signals[signal],
      expect.stringMatching(/Run interrupted/),
    ]);
    expectNothingLeft();
  });

  test("when the terminal's processes are killed with -9: the runner sees it and cleans up by itself", async () => {
    const run = e2e(SMALL);
    await run.until(/create Pod bay-pod/);
    run.signal("SIGKILL");
    await run.done;
    await until(same, 120_000);
    expectNothingLeft();
  });
});

describe("after a run that could not clean up nothing of it is left", () => {
  const ways = [
    ["npm run down", down],
    ["npm run sweep -- --yes", sweep],
  ] as const;

  test.each(PHASES.map(([phase, moment], at) => [phase, ways[at % 2]![0], moment, ways[at % 2]![1]] as const))(
    "when every process of it was killed with -9 during %s, once `%s` was called",
    async (_, __, moment, remove) => {
      await endsDirty(moment, (run) => {
        run.killAll();
      });
      await expectRemoved(remove());
    },
  );

  test.each([
    [
      "Ctrl-C came twice",
      ...ways[1],
      (run: Running) => {
        run.signal("SIGINT");
        run.signal("SIGINT");
      },
    ],
    [
      "only the runner was killed with -9, and Pulumi went on without it",
      ...ways[0],
      (run: Running) => {
        run.killRunner();
      },
    ],
  ] as const)("when %s, once `%s` was called", async (_, __, remove, end) => {
    await endsDirty(/create Pod bay-pod/, end);
    await expectRemoved(remove());
  });
});

async function endsDirty(moment: RegExp, end: (run: Running) => void): Promise<void> {
  const run = e2e(SMALL);
  await run.until(moment);
  end(run);
  expect(await run.done).not.toBe(0);
}

async function expectRemoved(removal: Running): Promise<void> {
  expect([await removal.done, removal.output()]).toEqual([0, expect.stringMatching(/Nothing (of stack \S+|is left)/)]);
  expectNothingLeft();
}

/** Waits for something that nobody announces. */
async function until(holds: () => boolean, deadline: number): Promise<void> {
  for (const start = Date.now(); !holds();) {
    if (Date.now() - start > deadline) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
  }
}

function same(): boolean {
  return JSON.stringify(lookAtHost()) === JSON.stringify(before);
}

function expectNothingLeft(): void {
  expect(lookAtHost()).toEqual(before);
  expect(existsSync(join(ROOT, ".state", "run")) ? readdirSync(join(ROOT, ".state", "run")) : []).toEqual([]);
}
