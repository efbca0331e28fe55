import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { LIMITS } from "../src/limits";
import { type RunningShip, startShip } from "./support/start-ship";
import { until } from "./support/until";

describe("Ship's Python", () => {
  let ship: RunningShip;
  beforeAll(async () => {
    ship = await startShip(undefined, { FROM_PROFILE: "yes" });
  });
  afterAll(async () => {
    await ship.stop();
  });

  const run = async (code: string, timeout = 20) =>
    (await ship.post("/ipython/exec", { code, timeout })).body as {
      success: boolean;
      execution_count: number | null;
      output: { text: string; images: Record<string, string>[] };
      error: string | null;
    };

  const fileAppears = (name: string) => until(`${name} is written`, () => existsSync(path.join(ship.workspace, name)));

  test.each([
    ["printed text, then the value of a trailing expression", "print('a'); 2", "a\n2"],
    ["nothing for an assignment", "x = 1", ""],
    ["nothing for None", "None", ""],
    ["nothing when the expression ends with a semicolon", "3;", ""],
    ["the repr of a string", "'text'", "'text'"],
    [
      "standard error and standard output in order",
      "import sys\nprint(1)\nprint(2, file=sys.stderr)\nprint(3)",
      "1\n2\n3",
    ],
    [
      "what subprocesses and raw descriptors write",
      "import os, subprocess\nprint('a')\nsubprocess.run(['echo', 'b'])\nos.write(1, b'c\\n');",
      "a\nb\nc",
    ],
    [
      "what is written to /dev/stdout and /dev/stderr",
      "import os\nos.system('echo out > /dev/stdout; echo err > /dev/stderr');",
      "out\nerr",
    ],
    [
      "text that looks like the protocol",
      "import sys, json\nprint(json.dumps({'count': 1}))\nsys.stdout.write('\\0'); print('end')",
      '{"count": 1}\n\u0000end',
    ],
    ["the output of a !command", "!echo hello | tr a-z A-Z", "HELLO"],
    ["the result of a top-level await", "import asyncio\nawait asyncio.sleep(0, 5)", "5"],
    ["the variables of the container", "import os; os.environ['FROM_PROFILE']", "'yes'"],
    ["Unicode", "'grüße 🚢'", "'grüße 🚢'"],
  ])("output is %s", async (_what, code, expected) => {
    expect(await run(code)).toMatchObject({ success: true, error: null, output: { text: expected } });
  });

  test("variables, imports and functions stay between calls", async () => {
    await run("import math\ndef area(r): return math.pi * r ** 2\nnumbers = [1, 2]");
    await run("numbers.append(3)");
    expect((await run("round(area(1), 2), numbers")).output.text).toBe("(3.14, [1, 2, 3])");
  });

  test("the working directory is the workspace and modules in it are found, also after they were rewritten", async () => {
    expect((await run("import os; os.getcwd()")).output.text).toBe(`'${ship.workspace}'`);
    writeFileSync(path.join(ship.workspace, "helper.py"), "value = 1\n");
    expect((await run("import helper; helper.value")).output.text).toBe("1");
    writeFileSync(path.join(ship.workspace, "helper.py"), "value = 2\n");
    expect((await run("import importlib; importlib.reload(helper).value")).output.text).toBe("2");
  });

  test.each([
    ["1/0", "ZeroDivisionError"],
    ["def f(:", "SyntaxError"],
    ["undefined_name", "NameError"],
    ["import no_such_module", "ModuleNotFoundError"],
    ["raise SystemExit(3)", "SystemExit"],
    ["input()", "EOFError"],
    ["raise KeyboardInterrupt", "KeyboardInterrupt"],
    ["class Odd(Exception):\n  def __str__(self): raise ValueError\nraise Odd", "Odd"],
  ])("%j fails with a coloured traceback that names %s", async (code, name) => {
    const result = await run(code);
    expect(result.success).toBe(false);
    expect(result.error).toContain(`\u001b[31m${name}\u001b[0m`);
  });

  test("a traceback shows the failing line and what was printed before stays in the output", async () => {
    const result = await run("print('before')\nboom = [][5]");
    expect(result.output.text).toBe("before");
    expect(result.error).toContain("boom = [][5]");
  });

  test("calls are counted", async () => {
    const first = await run("1");
    expect((await run("2")).execution_count).toBe(first.execution_count! + 1);
  });

  test("exit() ends the call and not the interpreter", async () => {
    await run("kept = 1");
    expect(await run("exit()")).toMatchObject({ success: true, error: null });
    expect((await run("kept")).output.text).toBe("1");
  });

  test.each([
    ["sleeps", "import time\nprint('begun')\ntime.sleep(600)"],
    ["computes", "print('begun')\nwhile True: pass"],
    ["waits for a command", "import os\nprint('begun', flush=True)\nos.system('sleep 600')"],
    ["keeps printing", "print('begun')\nimport time\nwhile True:\n  time.sleep(0.01)\n  print('.')"],
  ])(
    "code that %s is interrupted at its timeout, its late output is dropped and variables survive",
    async (_what, code) => {
      await run("survivor = 42");
      const result = await run(code, 0.5);
      expect(result).toMatchObject({ success: false, error: expect.stringContaining("timed out") });
      expect(result.output.text).toMatch(/^begun/);
      expect((await run("survivor")).output.text).toBe("42");
    },
  );

  test("code that ignores the interrupt costs the interpreter, not the service", async () => {
    await run("lost = 1");
    const stubborn = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass";
    const result = await run(stubborn, 0.2);
    expect(result).toMatchObject({
      success: false,
      execution_count: null,
      error: expect.stringMatching(/timed out.*variables are lost/),
    });
    expect((await run("lost")).error).toContain("NameError");
  });

  test("an interpreter that dies is reported with what it printed and started again", async () => {
    const result = await run("import os\nprint('last words')\nos._exit(3)");
    expect(result).toMatchObject({
      success: false,
      output: { text: "last words" },
      error: expect.stringContaining("exit code 3"),
    });
    expect(await run("1 + 1")).toMatchObject({ success: true, output: { text: "2" } });
  });

  test("a fork made by the code does not read the next call", async () => {
    await run("import os\nif os.fork() == 0: pass\nelse: os.wait()");
    expect((await run("'one answer'")).output.text).toBe("'one answer'");
  });

  test("what a thread prints between two calls belongs to neither", async () => {
    await run(
      "import threading, time\ndef late():\n  time.sleep(0.2); print('late'); open('printed', 'w').close()\nthreading.Thread(target=late).start()",
    );
    await fileAppears("printed");
    expect((await run("'clean'")).output.text).toBe("'clean'");
  });

  test("calls that come together run one after another", async () => {
    await run("log = []");
    await Promise.all(
      [1, 2, 3].map((n) => run(`import time\nlog.append(('in', ${n})); time.sleep(0.05); log.append(('out', ${n}))`)),
    );
    const { text } = (await run("[log[i][1] == log[i + 1][1] for i in range(0, 6, 2)]")).output;
    expect(text).toBe("[True, True, True]");
  });

  test("a caller that goes away ends its code", async () => {
    await run("mark = 'same interpreter'");
    const gone = new AbortController();
    const call = fetch(`${ship.url}/ipython/exec`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      signal: gone.signal,
      body: JSON.stringify({ code: "open('started', 'w').close()\nimport time\ntime.sleep(600)", timeout: 900 }),
    });
    await fileAppears("started");
    gone.abort();
    await expect(call).rejects.toThrow();
    expect((await run("mark")).output.text).toBe("'same interpreter'");
  });

  test("output past the limit is cut and named; the interpreter goes on", async () => {
    const {
      success,
      error,
      output: { text },
    } = await run("kept = 'still here'\nimport sys\nfor _ in range(20): sys.stdout.write('x' * 1024 * 1024)");
    expect(text.length).toBeLessThan(LIMITS.output + 200);
    expect({ success, error }).toEqual({
      success: false,
      error: expect.stringMatching(/^output_limit_exceeded: \d+ more bytes/),
    });
    expect((await run("kept")).output.text).toBe("'still here'");
  });

  test("images and tracebacks have limits of their own", async () => {
    const image = "class Image:\n  def _repr_png_(self): return b'x' * 3_000_000\n";
    const shown = await run(`${image}for _ in range(6): display(Image())`);
    expect(shown).toMatchObject({
      success: false,
      error: expect.stringMatching(/^output_limit_exceeded: 2 more images/),
    });
    expect(shown.output.images).toHaveLength(4);
    const failed = await run("raise ValueError('x' * 5_000_000 + 'end')");
    expect(failed.error).toMatch(/output_limit_exceeded.*end$/s);
    expect(failed.error!.length).toBeLessThan(1_100_000);
  });

  test("the interpreter can be asked for, restarted in the midst of a cell, and ended", async () => {
    const status = async () => (await (await fetch(`${ship.url}/ipython/kernel/status`)).json()) as object;
    const call = run("open('busy', 'w').close()\nwhile True: pass");
    await fileAppears("busy");
    expect(await ship.post("/ipython/kernel/restart", {})).toMatchObject({ status: 200, body: { success: true } });
    expect(await call).toMatchObject({ success: false, error: expect.stringContaining("variables are lost") });
    expect(await status()).toEqual({ status: "alive", has_kernel: true, workspace: ship.workspace });
    const end = () => fetch(`${ship.url}/ipython/kernel`, { method: "DELETE" });
    expect((await end()).status).toBe(200);
    expect(await status()).toMatchObject({ status: "not_started", has_kernel: false });
    expect((await end()).status).toBe(404);
    expect(await Promise.all([run("a = 1"), run("a + 1")])).toMatchObject([
      { success: true },
      { output: { text: "2" } },
    ]);
  });

  test("the system is told to end the interpreter and commands before Ship when memory runs out", async () => {
    const score = "open('/proc/self/oom_score_adj').read().strip()";
    expect((await run(`print(${score})`)).output.text).toBe("1000");
    expect((await ship.post("/shell/exec", { command: "cat /proc/self/oom_score_adj" })).body).toMatchObject({
      stdout: "1000\n",
    });
    expect(Number(readFileSync(`/proc/${ship.process.pid}/oom_score_adj`, "utf8"))).toBeLessThan(1000);
  });

  test("built-in skills are put in place and others left alone", async () => {
    const workspace = path.join(ship.workspace, "second");
    mkdirSync(path.join(workspace, "skills/own"), { recursive: true });
    writeFileSync(path.join(workspace, "skills/own/SKILL.md"), "mine");
    mkdirSync(path.join(workspace, "skills/python-sandbox"));
    writeFileSync(path.join(workspace, "skills/python-sandbox/stale"), "");
    const second = await startShip(workspace);
    try {
      const list = async (folder: string) =>
        ((await second.post("/fs/list_dir", { path: folder })).body as { files: { name: string }[] }).files.map(
          ({ name }) => name,
        );
      expect(await list("skills")).toEqual(["own", "python-sandbox"]);
      expect(await list("skills/python-sandbox")).toEqual(["SKILL.md"]);
      const meta = (await (await fetch(`${second.url}/meta`)).json()) as {
        built_in_skills: { name: string; description: string }[];
        capabilities: object;
      };
      expect(meta.built_in_skills).toEqual([
        expect.objectContaining({ name: "python-sandbox", description: expect.stringContaining("sandbox") }),
      ]);
      expect(Object.keys(meta.capabilities)).toEqual(expect.arrayContaining(["python", "shell", "filesystem"]));
    } finally {
      await second.stop();
    }
  });
});
