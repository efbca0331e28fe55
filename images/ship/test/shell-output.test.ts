import { existsSync, readdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { LIMITS } from "../src/limits";
import { type RunningShip, startShip } from "./support/start-ship";
import { until } from "./support/until";

interface Answer {
  success: boolean;
  return_code: number;
  stdout: string;
  stderr: string;
  error: string | null;
}

/**
 * Signals that a program does not die of unless it says so: CHLD, CONT, URG, WINCH, and stops where no shell could go
 * on with them.
 */
const HARMLESS = [17, 18, 20, 21, 22, 23, 28];
const STOP = 19;
const SIGNALS = Array.from({ length: 64 }, (_, index) => index + 1).filter(
  (number) => ![STOP, 32, 33].includes(number),
);

describe("what a command of Ship's shell prints, and how it ends", () => {
  let ship: RunningShip;
  beforeAll(async () => {
    ship = await startShip();
  });
  afterAll(async () => {
    await ship.stop();
  });

  const run = async (command: string, options: object = {}): Promise<Answer> =>
    (await ship.post("/shell/exec", { command, timeout: 20, ...options })).body as Answer;
  const file = (name: string): string => path.join(ship.workspace, name);

  test("each signal but STOP is told as a shell tells it, real-time ones too, and what was printed is kept", async () => {
    const answers = await Promise.all(SIGNALS.map((number) => run(`printf before; exec sh -c 'kill -${number} $$'`)));
    const expected = SIGNALS.map((number) => ({
      number,
      code: HARMLESS.includes(number) ? 0 : 128 + number,
      stdout: "before",
      error: null,
    }));
    expect(
      answers.map(({ return_code, stdout, error }, index) => ({
        number: SIGNALS[index],
        code: return_code,
        stdout,
        error,
      })),
    ).toEqual(expected);
    expect(answers.every(({ success, return_code }) => success === (return_code === 0))).toBe(true);
  });

  test.each([
    ["the shell's own", "echo before; kill -9 $$", 137],
    ["of a part of a pipe", "echo before; set -o pipefail; sh -c 'kill -USR1 $$' | cat", 138],
    ["of the whole group", "echo before; kill -TERM 0; sleep 60", 143],
    ["of the whole group, which none can catch", "echo before; kill -KILL 0; sleep 60", 137],
    ["of the whole group, real-time", "echo before; kill -RTMIN+3 0; sleep 60", 165],
    ["of the shell that waits for it", "echo before; kill -9 $PPID; sleep 60", 137],
    ["by a limit of its own", "echo before; ulimit -t 1; while :; do :; done", 137],
    ["by the size of a file", "echo before; ulimit -f 1; exec head -c 5000000 /dev/zero > big", 153],
    ["none: caught", "trap 'echo before; exit 7' USR1; kill -USR1 $$", 7],
    ["none: stopped, and woken by another", "(sleep 0.3; kill -CONT $$) & kill -STOP $$; echo before", 0],
  ])("a signal %s", async (_what, command, code) => {
    expect(await run(command)).toMatchObject({
      success: code === 0,
      return_code: code,
      stdout: "before\n",
      error: null,
    });
  });

  test("a command that was stopped is ended at its timeout, and what it printed is kept", async () => {
    expect(await run("echo before; kill -STOP $$", { timeout: 0.5 })).toMatchObject({
      success: false,
      return_code: -1,
      stdout: "before\n",
      error: "Command timed out",
    });
  });

  test.each([
    ["exec >&-", "echo one; exec >&-; echo two; echo three >&2", 0, "one\n", /write error.*\nthree\n$/],
    ["exec >&- 2>&-", "echo one; exec >&- 2>&-; true", 0, "one\n", /^$/],
    ["exec 1>file", "echo one; exec 1>out; echo two; cat out >&2", 0, "one\n", /^two\n$/],
    ["exec 2>&1", "exec 2>&1; echo one >&2", 0, "one\n", /^$/],
    ["set -e", "set -e; echo one; false; echo two", 1, "one\n", /^$/],
    ["exit in a function", "f() { echo one; exit 5; }; f; echo two", 5, "one\n", /^$/],
    ["exec of another program", "echo one; exec sh -c 'echo two; exit 6'", 6, "one\ntwo\n", /^$/],
    ["a trap at the end", "trap 'echo two' EXIT; echo one; exit 4", 4, "one\ntwo\n", /^$/],
    ["a folder that was removed under it", "mkdir gone; cd gone; rmdir ../gone; echo one; ls; true", 0, "one\n", /^$/],
    ["reading what is not there", 'read line; echo "[$?]"; cat; head -c 1', 0, "[1]\n", /^$/],
    ["a NUL byte", "printf 'a\\0b'", 0, "a\0b", /^$/],
    ["no line end", "printf one; printf two >&2", 0, "one", /^two$/],
    ["a line of a million characters", "head -c 1000000 /dev/zero | tr '\\0' x", 0, /^x{1000000}$/, /^$/],
    ["a hundred thousand lines", "seq 100000", 0, /\n100000\n$/, /^$/],
    ["a character in two pieces", "printf '\\xc3'; sleep 0.2; printf '\\xa9'", 0, "é", /^$/],
    ["an end by a copy of the output", "exec > >(tee copy); echo one", 0, "one\n", /^$/],
    ["a pipe of many", "seq 5 | tac | head -n 2 | tr '\\n' ,", 0, "5,4,", /^$/],
    ["yes into head", "yes | head -n 1", 0, "y\n", /^$/],
  ] as [string, string, number, string | RegExp, RegExp][])("%s", async (_what, command, code, stdout, stderr) => {
    const answer = await run(command);
    expect(answer).toMatchObject({
      success: code === 0,
      return_code: code,
      error: null,
      stderr: expect.stringMatching(stderr),
    });
    if (typeof stdout === "string") expect(answer.stdout).toBe(stdout);
    else expect(answer.stdout).toMatch(stdout);
  });

  test.each([
    [
      "standard output",
      "printf 'one\\xff\\xfetwo'; echo three >&2",
      { stdout: "one\ufffd\ufffdtwo", stderr: "three\n" },
    ],
    ["standard error", "printf 'one'; printf '\\x80three\\n' >&2; exit 3", { stdout: "one", stderr: "\ufffdthree\n" }],
    ["half a character", "printf 'one\\xff\\xe2\\x82'", { stdout: "one\ufffd" }],
  ])("bytes on %s that are no UTF-8 fail the command, and nothing else is lost", async (_where, command, expected) => {
    expect(await run(command)).toMatchObject({
      success: false,
      return_code: -1,
      error: expect.stringMatching(/UTF-8.*exit code \d/),
      ...expected,
    });
  });

  test("a program in the background holds neither the call nor its output, and lives on", async () => {
    const began = Date.now();
    const answer = await run(
      "(while [ ! -e stop ]; do echo more || touch refused; sleep 0.01; done; touch ended) & echo $! > loop; echo started; echo aside >&2; exit 3",
    );
    expect(answer).toMatchObject({
      success: false,
      return_code: 3,
      stderr: "aside\n",
      error: expect.stringContaining("background"),
    });
    expect(answer.stdout).toMatch(/^(more\n)*started\n/);
    expect(Date.now() - began).toBeLessThan(10_000);
    const alive = await run("kill -0 $(cat loop) && echo alive");
    expect(alive.stdout).toBe("alive\n");
    writeFileSync(file("stop"), "");
    await until("the program in the background has ended by itself", () => existsSync(file("ended")));
    expect(existsSync(file("refused"))).toBe(false);
  });

  test("what a program prints in the background never makes it wait", async () => {
    await run("(head -c 3000000 /dev/zero; sleep 0.1; head -c 3000000 /dev/zero; touch printed) & echo started");
    await until("six megabytes were printed", () => existsSync(file("printed")));
  });

  test("output past the limit keeps its beginning and its end, at a timeout too", async () => {
    const bytes = LIMITS.output * 2;
    const answer = await run(`echo first; head -c ${bytes} /dev/zero | tr '\\0' x; echo; echo last; sleep 60`, {
      timeout: 8,
    });
    expect(answer).toMatchObject({
      success: false,
      return_code: -1,
      error: expect.stringMatching(/^Command timed out; output_limit_exceeded: \d+ more bytes/),
    });
    expect(answer.stdout).toMatch(/^first\nx/);
    expect(answer.stdout).toMatch(/x\nlast\n$/);
    expect(answer.stdout).toMatch(/x\n\[output_limit_exceeded: \d+ [^\]]*\]\nx/);
    expect(answer.stdout.length).toBeLessThan(LIMITS.output + 200);
  });

  test("hundreds of programs in the background cost no descriptors once they have ended", async () => {
    const open = (): number => readdirSync(`/proc/${ship.process.pid}/fd`).length;
    await run("true");
    const before = open();
    await Promise.all(Array.from({ length: 40 }, () => run("sleep 600 & echo $! >> sleepers; echo started")));
    expect(open()).toBeGreaterThan(before);
    await run("kill $(cat sleepers)");
    await until("the descriptors are closed", () => open() <= before + 20);
  });

  test("the numbers are the host's", () => {
    expect([os.constants.signals.SIGSTOP, os.constants.signals.SIGCHLD]).toEqual([STOP, 17]);
  });
});
