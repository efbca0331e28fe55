import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { clusterName, ownerOf } from "../../infra/naming";
import { lookAtHost, type HostState, ROOT } from "./host";
import { npmRun, type Running } from "./runner";
import { NODE_START, stackFile } from "./stack-file";

jest.setTimeout(400_000);

const NAME = "life-recover";
const STATE_FILE = join(ROOT, ".state", "pulumi", ".pulumi", "stacks", "bay-e2e", `${NAME}.json`);
const LOCKS = join(ROOT, ".state", "pulumi", ".pulumi", "locks", "organization", "bay-e2e", NAME);

const on = (command: string, ...words: string[]) => npmRun([command, "--", "--stack", NAME, ...words]);
const docker = (...argv: string[]) => execFileSync("docker", argv, { encoding: "utf8" }).trim();

/** The containers of the stack's cluster. */
const nodes = () =>
  docker("ps", "--all", "--format", "{{.Names}}")
    .split("\n")
    .filter((name) => name.startsWith(clusterName(ownerOf(ROOT, NAME))));

async function expectUp(run: Running, ...also: RegExp[]): Promise<void> {
  expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
  for (const part of also) expect(run.output()).toMatch(part);
}

async function expectGone(run: Running): Promise<void> {
  expect([await run.done, run.output()]).toEqual([0, expect.stringMatching(/Nothing of stack/)]);
  expect(lookAtHost()).toEqual(before);
}

/** Kills every process of an `up` at a moment. */
async function killedUp(moment: RegExp): Promise<void> {
  const run = on("up");
  await run.until(moment);
  run.killAll();
  await run.done;
}

let before: HostState;
let file: string;
beforeAll(() => {
  file = stackFile(NAME);
  before = lookAtHost();
});
afterAll(async () => {
  await on("down").done;
  rmSync(file, { force: true });
});

describe("a run that was killed is gone on with, not stumbled over", () => {
  test("up after a kill at the node's making: what the state does not know goes first", async () => {
    await killedUp(NODE_START);
    await expectUp(on("up"));
  });

  test("down after a kill in the middle of an up that changed something", async () => {
    await expectGone(on("down"));
  });

  test("up after a kill at the making of Bay's pod, which was cut off", async () => {
    await killedUp(/create Pod bay-pod/);
    await expectUp(on("up"));
  });

  test("up after its state was lost: what carries the stack's label is removed first, and that is said", async () => {
    rmSync(STATE_FILE);
    await expectUp(on("up"), /removing (container|network) .*which a killed run made and no state knows/);
  });
});

describe("a sweep", () => {
  test("of a host with a stack that is up on purpose removes what is orphaned, and nothing else", async () => {
    const checkout = mkdtempSync(join(tmpdir(), "bay-e2e-elsewhere-"));
    writeFileSync(join(checkout, "Pulumi.yaml"), "name: bay-e2e\n");
    const volume = (name: string, place: string) =>
      docker(
        "volume",
        "create",
        "--label",
        "bay-e2e.dev/owner=aaaabbbbcccc",
        "--label",
        "bay-e2e.dev/stack=x",
        "--label",
        `bay-e2e.dev/checkout=${place}`,
        name,
      );
    const [orphan, foreign, unlabelled] = [
      volume(`life-orphan-${process.pid}`, join(checkout, "gone")),
      volume(`life-foreign-${process.pid}`, checkout),
      docker("volume", "create", `life-unlabelled-${process.pid}`),
    ];
    try {
      const there = nodes();
      const look = npmRun(["sweep"]);
      expect([await look.done, look.output()]).toEqual([
        2,
        expect.stringMatching(new RegExp(`${orphan} .*its checkout is gone[\\s\\S]*Nothing was removed`)),
      ]);
      expect(look.output()).not.toMatch(new RegExp(`${foreign}|${unlabelled}|${NAME}`));
      expect(await npmRun(["sweep", "--", "--yes"]).done).toBe(0);
      const volumes = docker("volume", "ls", "--format", "{{.Name}}").split("\n");
      expect([volumes.includes(orphan), volumes.includes(foreign), volumes.includes(unlabelled)]).toEqual([
        false,
        true,
        true,
      ]);
      expect([nodes(), there.length > 0]).toEqual([there, true]);
      const again = npmRun(["sweep"]);
      expect([await again.done, again.output()]).toEqual([0, expect.stringMatching(/Nothing is left/)]);
    } finally {
      docker("volume", "rm", "--force", orphan, foreign, unlabelled);
      rmSync(checkout, { recursive: true, force: true });
    }
  });
});

describe("what stands in the way of a removal", () => {
  test("a lock that another host holds stays, and is named", async () => {
    mkdirSync(LOCKS, { recursive: true });
    const lock = join(LOCKS, "00000000-0000-4000-8000-000000000000.json");
    writeFileSync(
      lock,
      JSON.stringify({
        pid: 1,
        username: "somebody",
        hostname: `not-${hostname()}`,
        timestamp: "2026-01-01T00:00:00Z",
      }),
    );
    try {
      const down = on("down");
      expect([await down.done, down.output()]).toEqual([
        2,
        expect.stringMatching(/E_STACK_LOCKED[\s\S]*somebody on not-[\s\S]*pulumi cancel --stack/),
      ]);
      expect([existsSync(lock), nodes().length > 0]).toEqual([true, true]);
    } finally {
      rmSync(lock, { force: true });
    }
  });

  test("a cluster whose node is gone does not", async () => {
    docker("rm", "--force", "--volumes", ...nodes());
    await expectGone(on("down"));
    expect(existsSync(LOCKS) ? readdirSync(LOCKS) : []).toEqual([]);
  });
});
