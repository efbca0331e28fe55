import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type HostState, lookAtHost, ROOT } from "./host";
import { npmRun, type Running } from "./runner";

// Each test brings the whole stack up and takes it down again.
jest.setTimeout(300_000);

/** Nothing but the words that choose few tests: what is proven here is the way there and back. */
const FEW = ["--", "--", "-t", "AUTH-1"];

let before: HostState;
beforeEach(() => { before = lookAtHost(); });
afterEach(async () => { if (!same()) await npmRun(["down"]).done; });

describe("after the main job nothing of it is left on the host", () => {
  test("when everything passes", async () => {
    const run = npmRun(["e2e", ...FEW]);
    expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/Run passed/)]);
    expectNothingLeft();
  });

  test("when a test fails, and its evidence is kept", async () => {
    const run = npmRun(["e2e", "--", "--", "--config", "tests/lifecycle/fixtures/failing.jest.config.ts"]);
    expect([await run.done, run.output()]).toEqual([1, expect.stringMatching(/Run failed/)]);
    expectNothingLeft();
    const folder = /report +(\S+)\/report\.json/.exec(run.output())![1]!;
    expect(existsSync(join(folder, "failures"))).toBe(true);
    expect(readdirSync(join(folder, "failures"), { recursive: true }).join("\n")).toMatch(/bay/);
  });

  test.each([
    ["set-up", /> Tools/],
    ["the node's start", /create Container node/],
    ["the making of Bay's pod", /create Pod pod/],
    ["the tests", /Running one project: e2e|RUNS|Determining test suites|PASS|tests\/e2e/],
    ["the destroy", /> Stack k3s: destroy/],
  ])("when Ctrl-C comes during %s", async (_, moment) => {
    const run = npmRun(["e2e", ...FEW]);
    await run.until(moment);
    run.signal("SIGINT");
    expect([await run.done, run.output()]).toEqual([130, expect.stringMatching(/Run interrupted/)]);
    expectNothingLeft();
  });

  test("when the terminal's processes are killed with -9: the runner sees it and cleans up by itself", async () => {
    const run = npmRun(["e2e", ...FEW]);
    await run.until(/create Pod pod/);
    run.signal("SIGKILL");
    await run.done;
    await until(same, 120_000);
    expectNothingLeft();
  });

  test.each([
    ["Ctrl-C came twice", (run: Running) => { run.signal("SIGINT"); run.signal("SIGINT"); }],
    ["every process of the run was killed with -9", (run: Running) => { run.killAll(); }],
  ])("when %s, once `npm run down` was called", async (_, end) => {
    const run = npmRun(["e2e", ...FEW]);
    await run.until(/create Pod pod/);
    end(run);
    expect(await run.done).not.toBe(0);
    const down = npmRun(["down"]);
    expect([await down.done, down.output()]).toEqual([0, expect.stringMatching(/Nothing of stack k3s is left/)]);
    expectNothingLeft();
  });
});

/** Waits for something that nobody announces. */
async function until(holds: () => boolean, deadline: number): Promise<void> {
  for (const start = Date.now(); !holds();) {
    if (Date.now() - start > deadline) return;
    await new Promise((resolve) => { setTimeout(resolve, 500); });
  }
}

function same(): boolean {
  return JSON.stringify(lookAtHost()) === JSON.stringify(before);
}

function expectNothingLeft(): void {
  expect(lookAtHost()).toEqual(before);
  expect(existsSync(join(ROOT, ".state", "run")) ? readdirSync(join(ROOT, ".state", "run")) : []).toEqual([]);
}
