import { rmSync } from "node:fs";
import { type HostState, lookAtHost } from "./host";
import { npmRun } from "./runner";
import { BACKEND, stackFile } from "./stack-file";

// Two stacks share two cores here.
jest.setTimeout(600_000);

const stacks = [`${BACKEND}-a`, `${BACKEND}-b`] as const;
const e2e = (stack: string) => npmRun(["e2e", "--", "--stack", stack, "--", "-t", "AUTH-1"]);

let before: HostState;
let files: string[];
beforeAll(() => {
  files = stacks.map((stack) => stackFile(stack));
  before = lookAtHost();
});
afterAll(async () => {
  for (const stack of stacks) await npmRun(["down", "--", "--stack", stack]).done;
  for (const file of files) rmSync(file, { force: true });
});

describe("two runs on one host", () => {
  test("pass together and leave nothing", async () => {
    const runs = stacks.map(e2e);
    for (const run of runs) expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/Run passed/)]);
    expect(lookAtHost()).toEqual(before);
  });

  test("do not notice when the other is killed, and a sweep meanwhile takes the killed one alone", async () => {
    const [killed, other] = [e2e(stacks[0]), e2e(stacks[1])];
    await killed.until(/create Pod bay-pod/);
    killed.killAll();
    await killed.done;
    const sweep = npmRun(["sweep", "--", "--yes"]);
    expect([await sweep.done, sweep.output()]).toEqual([
      0,
      expect.stringMatching(new RegExp(`stack +${stacks[0]} .*was killed during up`)),
    ]);
    expect(sweep.output()).not.toMatch(new RegExp(`stack +${stacks[1]} `));
    expect([await other.done, other.output()]).toEqual([0, expect.stringMatching(/Run passed/)]);
    expect(lookAtHost()).toEqual(before);
  });
});
