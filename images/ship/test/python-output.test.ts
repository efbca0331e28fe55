import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type RunningShip, startShip } from "./support/start-ship";
import { until } from "./support/until";

interface Answer {
  success: boolean;
  execution_count: number | null;
  output: { text: string };
  error: string | null;
}

describe("what code in Ship's Python prints, and what it does to its own interpreter", () => {
  let ship: RunningShip;
  beforeAll(async () => {
    ship = await startShip();
  });
  afterAll(async () => {
    await ship.stop();
  });

  const run = async (code: string, timeout = 20): Promise<Answer> =>
    (await ship.post("/ipython/exec", { code, timeout })).body as Answer;
  const LIBC = "import ctypes, os, sys\nlibc = ctypes.CDLL(None)\n";

  test.each([
    ["a surrogate", "print('a\\udc80b')", "a\\udc80b"],
    ["a surrogate on standard error", "import sys\nprint('a\\udc80b', file=sys.stderr)", "a\\udc80b"],
    ["the repr of a surrogate", "'\\udc80'", "'\\udc80'"],
    ["bytes that are no UTF-8", "import os\nprint('a')\nos.write(1, b'b\\xffc\\n');print('d')", "a\nb\ufffdc\nd"],
    [
      "a character in two writes",
      "import os, time\nos.write(1, b'\\xc3'); time.sleep(0.2); os.write(1, b'\\xa9');",
      "é",
    ],
    ["a long line without its end", "import sys\nsys.stdout.write('x' * 3_000_000);", "x".repeat(3_000_000)],
    ["a huge repr", "'x' * 3_000_000", `'${"x".repeat(3_000_000)}'`],
    ["many lines", "for i in range(50_000): print(i)", Array.from({ length: 50_000 }, (_, i) => i).join("\n")],
    [
      "what a C library prints, in order",
      `${LIBC}print(1); libc.printf(b'2\\n'); print(3); libc.printf(b'4')`,
      "1\n2\n3\n1\n4",
    ],
    [
      "what a child prints, and how it failed",
      "import os\nif os.fork() == 0:\n  print('child')\n  raise ValueError('of the child')\nelse:\n  print('code', os.waitstatus_to_exitcode(os.wait()[1]))",
      /^child\n[^]*ValueError[^]*of the child\ncode 1$/,
    ],
    [
      "what a program started by it prints",
      "import subprocess\nsubprocess.run('printf one; printf two >&2', shell=True);",
      "onetwo",
    ],
    [
      "what threads print",
      "import threading\nfor i in range(3):\n  t = threading.Thread(target=print, args=(i,)); t.start(); t.join()",
      "0\n1\n2",
    ],
  ] as [string, string, string | RegExp][])("%s is kept", async (_what, code, expected) => {
    const answer = await run(code);
    expect(answer).toMatchObject({ success: true, error: null });
    if (typeof expected === "string")
      expect(answer.output.text === expected || answer.output.text.slice(0, 500)).toBe(true);
    else expect(answer.output.text).toMatch(expected);
  });

  test.each([
    ["an exception", "1/0", /ZeroDivisionError/],
    [
      "an exception that cannot be shown",
      "class Odd(Exception):\n  def __getattribute__(self, name): raise RuntimeError\nraise Odd",
      /Odd/,
    ],
    ["an exception with a surrogate", "raise ValueError('a\\udc80b')", /ValueError/],
    ["a timeout", "import time\ntime.sleep(60)", /timed out/],
    [
      "a timeout that it does not hear of",
      "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nwhile True: time.sleep(1)",
      /timed out.*SIGKILL/,
    ],
    ["a stop", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", /timed out/],
    ["its end by os._exit", "import os\nos._exit(0)", /exit code 0/],
    ["its end by SIGKILL", "import os\nos.kill(os.getpid(), 9)", /SIGKILL/],
    ["its end by a fault", "import ctypes\nctypes.string_at(0)", /SIGSEGV/],
    ["its end by an alarm", "import signal, time\nsignal.alarm(1)\ntime.sleep(10)", /SIGALRM/],
    ["the end of all of its group", "import os\nos.killpg(0, 9)", /SIGKILL/],
    ["another program in its place", "import os\nos.execvp('sh', ['sh', '-c', 'echo other; exit 4'])", /exit code 4/],
    ["its recursion", "import sys\ndef f(): return f()\nf()", /RecursionError/],
    ["the loss of its descriptors", "import os\nos.closerange(3, 65536)", /exit code 70/],
    [
      "the loss of all descriptors, with a thread that stays",
      "import os, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nos.closerange(0, 65536)",
      /exit code 70/,
    ],
  ])("what was printed before %s is kept, and the next cell works", async (_what, code, error) => {
    expect(await run(`print('before')\n${code}`, 1.5)).toMatchObject({
      success: false,
      output: { text: expect.stringMatching(/^before(\nother)?$/) },
      error: expect.stringMatching(error),
    });
    expect(await run("print('next'); 1 + 1")).toMatchObject({
      success: true,
      error: null,
      output: { text: "next\n2" },
    });
  });

  test.each([
    ["closed sys.stdout", "import sys\nsys.stdout.close()"],
    ["took sys.stdout away", "import sys\nsys.stdout = None; sys.stderr = None"],
    ["closed descriptors 1 and 2", "import os\nos.close(1); os.close(2)"],
    ["closed small descriptors", "import os\nfor n in range(3, 100):\n  try: os.close(n)\n  except OSError: pass"],
    [
      "patched what the driver uses",
      "import os, json, builtins, io\nos.write = os.fstat = os.getpid = json.dumps = json.loads = None; builtins.print = len",
    ],
    ["ignores interrupts", "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"],
  ])("a cell that %s takes nothing from the next one", async (_what, code) => {
    await run(`kept = 'same interpreter'\n${code}`);
    const next = await run(
      "import os, sys\nsys.stderr.write('to stderr\\n'); sys.stdout.write(kept + '\\n')\nos.system('echo of a program');",
    );
    expect(next).toMatchObject({
      success: true,
      output: { text: expect.stringMatching(/^to stderr\nsame interpreter\nof a program$/) },
    });
    await ship.post("/ipython/kernel/restart", {});
  });

  test.each([
    ["idle", "import os, threading\nthreading.Timer(0.2, os._exit, [3]).start()"],
    [
      "idle, by closing all descriptors",
      "import os, threading\nthreading.Timer(0.2, os.closerange, [3, 65536]).start()",
    ],
    [
      "idle, by another program in its place",
      "import os, threading\nthreading.Timer(0.2, os.execvp, ['sleep', ['sleep', '600']]).start()",
    ],
  ])("an interpreter that breaks while it is %s costs the next cell nothing but the variables", async (_when, code) => {
    await run(code);
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    expect(await run("print('next')")).toMatchObject({ success: true, output: { text: "next" } });
  });

  test("a file that Python runs at its start, and that ends or holds it, is no end of Ship and is named", async () => {
    const second = await startShip();
    try {
      await second.post("/fs/write_file", {
        path: "sitecustomize.py",
        content: "print('of the file', flush=True)\nimport os; os._exit(9)\n",
      });
      const setting = { command: "python3 -m site --user-site", timeout: 20 };
      const folder = ((await second.post("/shell/exec", setting)).body as { stdout: string }).stdout.trim();
      await second.post("/shell/exec", {
        command: `mkdir -p ${folder}; cp sitecustomize.py ${folder}/usercustomize.py`,
      });
      await second.post("/ipython/kernel/restart", {});
      expect((await second.post("/ipython/exec", { code: "1", timeout: 5 })).body).toMatchObject({
        success: false,
        error: expect.stringMatching(/did not start.*exit code 9[^]*of the file/),
      });
      await second.stop({ clean: false });
      const third = await startShip(second.workspace);
      expect((await third.post("/ipython/exec", { code: "1", timeout: 5 })).body).toMatchObject({
        success: false,
        error: expect.stringContaining("exit code 9"),
      });
      await third.post("/shell/exec", { command: `rm ${folder}/usercustomize.py` });
      expect((await third.post("/ipython/exec", { code: "1 + 1", timeout: 5 })).body).toMatchObject({
        success: true,
        output: { text: "2" },
      });
      await third.stop();
    } finally {
      await second.stop();
    }
  });

  test("a program that it started and left is not ended by what it prints", async () => {
    await run(
      "import subprocess\nsubprocess.Popen('while [ ! -e stop ]; do echo more || touch refused; sleep 0.01; done; touch ended', shell=True, start_new_session=True)\nimport os\nos._exit(1)",
    );
    await run("print('next')");
    writeFileSync(path.join(ship.workspace, "stop"), "");
    await until("it has ended by itself", () => existsSync(path.join(ship.workspace, "ended")));
    expect(existsSync(path.join(ship.workspace, "refused"))).toBe(false);
  });
});
