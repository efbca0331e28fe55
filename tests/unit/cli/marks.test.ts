import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import {
  cutOffRuns,
  deadRuns,
  enterPhase,
  forgetDeadRuns,
  isOver,
  markFile,
  markTests,
  processMark,
  RUN_FOLDER,
  runsOf,
  testsWithoutRun,
  underMark,
} from "../../../cli/clean-up/marks";
import { startOf } from "../../../cli/clean-up/procfs";
import { waitFor } from "../../../infra/support/wait";

/** A stack that nobody else has, with marks of this test alone. */
const stack = `marks-${process.pid}`;
const marksLeft = () => (existsSync(RUN_FOLDER) ? readdirSync(RUN_FOLDER).filter((name) => name.includes(stack)) : []);

afterEach(() => {
  for (const pid of [...runsOf(stack), ...deadRuns(stack)].map((mark) => mark.pid))
    rmSync(markFile({ stack, pid }), { force: true });
});

/** The mark that another process would have written. */
function otherMark(
  pid: number,
  facts: { started?: string; host?: string; exclusive?: boolean; tests?: { pid: number; started: string } } = {},
): void {
  mkdirSync(RUN_FOLDER, { recursive: true });
  writeFileSync(
    markFile({ stack, pid }),
    JSON.stringify({
      stack,
      pid,
      started: startOf(pid),
      host: hostname(),
      command: "e2e",
      phase: "test",
      since: "2026-01-01T00:00:00Z",
      exclusive: true,
      ...facts,
    }),
  );
}

async function alive(work: (pid: number) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  try {
    await work(child.pid!);
  } finally {
    child.kill("SIGKILL");
  }
}

describe("the mark of a run", () => {
  test("is there while the run is, follows its phase, and goes with it, also when it fails", async () => {
    await underMark(stack, "e2e", "set-up", async () => {
      expect(runsOf(stack)).toMatchObject([{ pid: process.pid, command: "e2e", phase: "set-up" }]);
      await underMark(stack, "up", "up", () => Promise.resolve());
      expect(runsOf(stack)).toMatchObject([{ command: "e2e", phase: "up" }]);
      enterPhase(stack, "test");
      expect(runsOf(stack)).toMatchObject([{ command: "e2e", phase: "test" }]);
    });
    await expect(underMark(stack, "up", "up", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(marksLeft()).toEqual([]);
  });

  test("keeps a second run out, which is told who has the stack, at what, since when", async () => {
    await alive(async (pid) => {
      otherMark(pid);
      const work = jest.fn(() => Promise.resolve());
      await expect(underMark(stack, "up", "up", work)).rejects.toMatchObject({
        code: "E_STACK_LOCKED",
        seen: expect.stringMatching(new RegExp(`e2e \\(pid ${pid}\\).*at test since 2026-01-01`)),
      });
      expect(work).not.toHaveBeenCalled();
      expect(marksLeft()).toHaveLength(1);
    });
  });

  test("of tests that only use the stack keeps out who would change it, and nobody else", async () => {
    await alive(async (pid) => {
      otherMark(pid, { exclusive: false });
      await expect(underMark(stack, "down", "destroy", () => Promise.resolve())).rejects.toMatchObject({
        code: "E_STACK_LOCKED",
      });
      await expect(underMark(stack, "test", "test", () => Promise.resolve("ran"), { exclusive: false })).resolves.toBe(
        "ran",
      );
    });
  });

  test("holds while its tests go on after the run was killed, which are told of with their own process", async () => {
    const gone = 4_194_000;
    await alive(async (pid) => {
      otherMark(gone, { started: "1", exclusive: false, tests: { pid, started: startOf(pid) } });
      expect(runsOf(stack)).toMatchObject([{ pid: gone, tests: { pid } }]);
      expect(testsWithoutRun(stack)).toMatchObject([{ stack, tests: { pid } }]);
      expect(deadRuns(stack)).toEqual([]);
      await expect(underMark(stack, "down", "destroy", () => Promise.resolve())).rejects.toMatchObject({
        code: "E_STACK_LOCKED",
        seen: expect.stringContaining(`(pid ${pid}) go on`),
        next: expect.stringContaining(`kill -TERM -- -${pid}`),
      });
      otherMark(gone, { started: "1", exclusive: true, tests: { pid, started: startOf(pid) } });
      expect([runsOf(stack), testsWithoutRun(stack), deadRuns(stack).length]).toEqual([[], [], 1]);
      rmSync(markFile({ stack, pid: gone }));
    });
    otherMark(gone, { started: "1", exclusive: false, tests: { pid: gone + 1, started: "1" } });
    expect([runsOf(stack), testsWithoutRun(stack)]).toEqual([[], []]);
  });

  test("names the process of its tests while they run", async () => {
    await underMark(
      stack,
      "test",
      "test",
      () => {
        markTests(stack, process.ppid);
        expect(runsOf(stack)).toMatchObject([{ tests: { pid: process.ppid, started: startOf(process.ppid) } }]);
        markTests(stack, undefined);
        expect(runsOf(stack)[0]).not.toHaveProperty("tests");
        return Promise.resolve();
      },
      { exclusive: false },
    );
  });

  test("of a process that is gone is that of a killed run, also when its id is used again", async () => {
    otherMark(2 ** 22 - 1);
    expect(deadRuns(stack)).toHaveLength(1);
    await alive((pid) => {
      otherMark(pid, { started: "1" });
      expect([runsOf(stack).length, deadRuns(stack).length]).toEqual([0, 2]);
      return Promise.resolve();
    });
    forgetDeadRuns(stack);
    expect(marksLeft()).toEqual([]);
  });

  test("of another host is never taken for dead, and half a file for a run of nobody", () => {
    otherMark(2 ** 22 - 1, { host: "elsewhere" });
    expect([runsOf(stack).length, deadRuns(stack).length]).toEqual([1, 0]);
    writeFileSync(markFile({ stack, pid: 2 ** 22 - 2 }), '{"stack":');
    expect(deadRuns(stack)).toHaveLength(1);
  });

  test("of tests that were killed says nothing against their stack, of a run that had it for itself it does", () => {
    otherMark(2 ** 22 - 1, { exclusive: false });
    expect([deadRuns(stack).length, cutOffRuns(stack).length]).toEqual([1, 0]);
    otherMark(2 ** 22 - 2);
    expect(cutOffRuns(stack).map(({ pid }) => pid)).toEqual([2 ** 22 - 2]);
  });
});

describe("the mark on a thing that a run made for itself", () => {
  test("tells that the run goes on, and that it is over", async () => {
    expect(isOver(processMark())).toBe(false);
    let mark = "";
    await alive((pid) => {
      mark = processMark(pid);
      expect(isOver(mark)).toBe(false);
      return Promise.resolve();
    });
    await waitUntilOver(mark);
    // Another process has the id by now.
    expect(isOver(`${hostname()} ${process.pid} 1`)).toBe(true);
  });

  test.each([
    ["of another host", `elsewhere ${2 ** 22 - 1} 1`],
    ["that says nothing", ""],
    ["of somebody else's", "some words"],
  ])("%s is left alone", (_, mark) => {
    expect(isOver(mark)).toBe(false);
  });
});

/** A process that was killed is there until its parent has seen it. */
async function waitUntilOver(mark: string): Promise<void> {
  await waitFor(
    () => Promise.resolve(isOver(mark) ? { value: true } : { reason: "it is still there" }),
    { deadline: 10_000, interval: 10 },
    (reason) => new Error(reason),
  );
}
