import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type HostState, lookAtHost } from "./host";
import { npmRun, type Running } from "./runner";
import { onK3s, stackFile } from "./stack-file";

// Two at once build their images, clusters and tests on a host of two cores.
jest.setTimeout(600_000);

const NAME = "life-inside";
/** One file of the suite: whatever the run does, it does it there and back. */
const run = () =>
  npmRun(["e2e", "--", "--stack", NAME, "--suite", "checkpoint", "--in-container", "-n", "1", "-k", "environment"], {
    CEDANA_AUTH_TOKEN: "",
    CEDANA_URL: "",
  });

/** Images of single runs; those of tools and packages stay for the next one. */
const images = () =>
  execFileSync("docker", ["image", "ls", "--format", "{{.Tag}}", "--filter", "reference=bay-e2e/runner"], {
    encoding: "utf8",
  })
    .split("\n")
    .filter((tag) => tag.includes(NAME));
const stackOf = (one: Running) => /In container \S+, on stack (\S+)/.exec(one.output())?.[1];

let file: string;
let before: HostState;
beforeAll(() => {
  file = stackFile(NAME, { checkpoint: true });
});
afterAll(() => {
  rmSync(file, { force: true });
});
beforeEach(() => {
  before = lookAtHost();
});

function expectNothingLeft(): void {
  expect(lookAtHost()).toEqual(before);
  expect(images()).toEqual([]);
}

describe("the suite of checkpoints from inside a container", () => {
  onK3s(
    "passes twice at once, each on a cluster of its own, with its artifacts on the host and nothing left",
    async () => {
      const runs = [run(), run()];
      for (const one of runs)
        expect([await one.done, one.output()]).toEqual([
          0,
          expect.stringMatching(/Run passed, suite checkpoint[\s\S]*tests +[5-9] passed, 0 failed/),
        ]);
      expect(new Set(runs.map(stackOf)).size).toBe(2);
      for (const one of runs) {
        const folder = /copied out of the container: (\S+)/.exec(one.output())![1]!;
        expect(JSON.parse(readFileSync(join(folder, "report.json"), "utf8"))).toMatchObject({
          suite: "checkpoint",
          outcome: "passed",
          stack: stackOf(one),
        });
        expect(existsSync(join(folder, "junit.xml"))).toBe(true);
      }
      expectNothingLeft();
    },
  );

  onK3s("is stopped by Ctrl-C in the middle of its cluster's making, and nothing is left", async () => {
    const one = run();
    await one.until(/create Container node/);
    one.signal("SIGINT");
    expect([await one.done, one.output()]).toEqual([130, expect.stringMatching(/Run interrupted/)]);
    expectNothingLeft();
  });

  onK3s("that was killed with its runner is removed by `npm run down` with its stack's name", async () => {
    const one = run();
    await one.until(/create Container node/);
    one.killAll();
    await one.done;
    const down = npmRun(["down", "--", "--stack", stackOf(one)!]);
    expect([await down.done, down.output()]).toEqual([0, expect.stringMatching(/Nothing of stack/)]);
    expectNothingLeft();
  });
});
