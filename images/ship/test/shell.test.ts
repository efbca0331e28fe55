import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { LIMITS } from "../src/limits";
import { parseProfileEnv } from "../src/startup";
import { TOOLS } from "../src/tools";
import { type RunningShip, startShip } from "./support/start-ship";
import { until } from "./support/until";

describe("Ship's shell", () => {
  let ship: RunningShip;
  beforeAll(async () => {
    ship = await startShip(undefined, {
      BAY_PROFILE_ENV: "GREETING=it's: hello world:URL=http://host:80/x",
      SECRET_OF_CONTAINER: "hidden",
    });
  });
  afterAll(async () => {
    await ship.stop();
  });

  const run = async (command: string, options: object = {}) =>
    (await ship.post("/shell/exec", { command, timeout: 20, ...options })).body as {
      success: boolean;
      return_code: number;
      stdout: string;
      stderr: string;
      error: string | null;
    };

  test.each([
    ["echo out; echo err >&2", 0, "out\n", "err\n"],
    ["exit 42", 42, "", ""],
    ["false", 1, "", ""],
    ["printf 'a\\nb\\nc' | wc -l", 0, "2\n", ""],
    ["echo $HOME; cd /; echo ~", 0, "WORKSPACE\nWORKSPACE\n", ""],
    ["shopt -q login_shell && echo login", 0, "login\n", ""],
    ["echo out > /dev/stdout; echo err > /dev/stderr", 0, "out\n", "err\n"],
    ["kill -9 $$", 137, "", ""],
    ["cat", 0, "", ""],
    ["echo $GREETING; echo $URL", 0, "it's: hello world\nhttp://host:80/x\n", ""],
    ["env | grep -c SECRET_OF_CONTAINER", 1, "0\n", ""],
  ])("%j gives %i, %j, %j", async (command, code, stdout, stderr) => {
    const result = await run(command);
    expect(result).toMatchObject({
      success: code === 0,
      return_code: code,
      stdout: stdout.replaceAll("WORKSPACE", ship.workspace),
      stderr,
      error: null,
    });
  });

  test("an unknown command is 127 and says so", async () => {
    expect(await run("no-such-command")).toMatchObject({
      success: false,
      return_code: 127,
      stderr: expect.stringContaining("no-such-command"),
    });
  });

  test("each command is a new shell in the workspace, or in a folder of it", async () => {
    mkdirSync(path.join(ship.workspace, "sub"));
    await run("cd sub; export X=1");
    expect((await run("pwd; echo [$X]")).stdout).toBe(`${ship.workspace}\n[]\n`);
    expect((await run("pwd", { cwd: "sub" })).stdout).toBe(`${ship.workspace}/sub\n`);
    expect(await run("pwd", { cwd: "nowhere" })).toMatchObject({
      success: false,
      return_code: 1,
      stderr: expect.stringContaining("No such file"),
    });
    expect(await run("pwd", { cwd: "../.." })).toMatchObject({
      success: false,
      return_code: -1,
      error: expect.stringContaining("outside"),
    });
  });

  test("a timeout kills the whole group and keeps what was printed", async () => {
    const command = "echo begun; echo to-stderr >&2; (sleep 600; touch survived) & sleep 600 & echo $! > pid; wait";
    const result = await run(command, { timeout: 0.5 });
    expect(result).toMatchObject({
      success: false,
      return_code: -1,
      stdout: "begun\n",
      stderr: "to-stderr\n",
      error: "Command timed out",
    });
    const pid = Number(readFileSync(path.join(ship.workspace, "pid"), "utf8"));
    // A killed process goes when it is next scheduled, and may stay as a zombie until it is reaped: its state is read.
    const state = () =>
      existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2]! : "gone";
    await until("the command's child is dead", () => ["gone", "Z", "X"].includes(state()));
  });

  test("a background process that lets go of the output does not hold the call", async () => {
    expect(await run("sleep 600 > /dev/null 2>&1 & echo $! > held; echo done")).toMatchObject({
      success: true,
      stdout: "done\n",
    });
    process.kill(Number(readFileSync(path.join(ship.workspace, "held"), "utf8")), "SIGKILL");
  });

  test("output past the limit is cut and named, the exit code is the command's own", async () => {
    const result = await run("head -c 20000000 /dev/zero | tr '\\0' x; exit 3");
    expect(result).toMatchObject({
      success: false,
      return_code: 3,
      error: expect.stringMatching(/^output_limit_exceeded: /),
    });
    expect(result.stdout.length).toBeLessThan(LIMITS.output + 200);
    expect(await run("head -c 20000000 /dev/zero | tr '\\0' x")).toMatchObject({
      success: true,
      return_code: 0,
      error: expect.stringMatching(/^output_limit_exceeded: /),
    });
  });

  test.each([
    ["echo $HOME *", "$HOME *\n"],
    ["printf '%s|' 'a b' \"c 'd'\" e\\ f g''h", "a b|c 'd'|e f|gh|"],
    ['echo "a\\"b\\$c"', 'a"b$c\n'],
    ["", ""],
  ])("without a shell %j is split into words and nothing is expanded", async (command, stdout) => {
    expect(await run(command, { shell: false })).toMatchObject({ success: true, stdout, error: null });
  });

  test.each(
    [
      ["echo 'open", { shell: false }, "closing quotation"],
      ["echo \\", { shell: false }, "backslash"],
      ["a\0b", {}, "NUL"],
      [`: ${"x".repeat(200_000)}`, {}, "E2BIG"],
    ].map(
      ([command, options, words]) =>
        [(command as string).slice(0, 20), command, options, words] as [string, string, object, string],
    ),
  )("%j is refused", async (_title, command, options, words) => {
    expect(await run(command, options)).toMatchObject({
      success: false,
      return_code: -1,
      error: expect.stringContaining(words),
    });
  });

  test("a background command answers at once, is listed while it runs, and has the profile's variables", async () => {
    const processes = async () =>
      (
        (await (await fetch(`${ship.url}/shell/processes`)).json()) as {
          processes: { process_id: string; pid: number; command: string; status: string }[];
        }
      ).processes;
    const command = "echo $URL > seen; until [ -e go ]; do sleep 0.05; done; touch finished";
    const { body } = await ship.post("/shell/exec", { command, background: true, timeout: 0.1 });
    expect(body).toMatchObject({
      success: true,
      return_code: null,
      stdout: "",
      stderr: "",
      pid: expect.any(Number),
      process_id: expect.stringMatching(/^[0-9a-f]{8}$/),
      error: null,
    });
    const own = { process_id: body.process_id, pid: body.pid, command, status: "running" };
    expect(await processes()).toEqual([own]);
    await until(
      "the command wrote its variable",
      () =>
        existsSync(path.join(ship.workspace, "seen")) &&
        readFileSync(path.join(ship.workspace, "seen"), "utf8") === "http://host:80/x\n",
    );
    writeFileSync(path.join(ship.workspace, "go"), "");
    await until("the command is no longer listed", async () => (await processes()).length === 0);
    expect(existsSync(path.join(ship.workspace, "finished"))).toBe(true);
  });

  test("a background command can be ended by its process id", async () => {
    const { body } = await ship.post("/shell/exec", { command: "sleep 600 & wait", background: true });
    await run(`kill -9 -- -${body.pid}`);
    await until(
      "the command is no longer listed",
      async () => !(await (await fetch(`${ship.url}/shell/processes`)).text()).includes(body.process_id),
    );
  });

  test("a client's own .bay_env.sh is sourced", async () => {
    const file = path.join(ship.workspace, ".bay_env.sh");
    const before = readFileSync(file, "utf8");
    expect(before).toContain("GREETING");
    writeFileSync(file, `${before}export ADDED=1\n`);
    expect((await run("echo $ADDED")).stdout).toBe("1\n");
  });

  test("programs that the image lacks are told by /meta", async () => {
    const { capabilities } = (await (await fetch(`${ship.url}/meta`)).json()) as {
      capabilities: { shell: { missing_tools: string[] } };
    };
    const found = (
      await run(
        `PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; for tool in ${TOOLS.join(" ")}; do type -P $tool > /dev/null || echo $tool; done`,
      )
    ).stdout;
    expect(capabilities.shell.missing_tools).toEqual(found.split("\n").filter(Boolean));
    expect(capabilities.shell.missing_tools).not.toContain("python3");
  });

  test.each([
    [
      "A=1:B=2",
      [
        ["A", "1"],
        ["B", "2"],
      ],
    ],
    [
      "URL=http://x:80/:B=",
      [
        ["URL", "http://x:80/"],
        ["B", ""],
      ],
    ],
    ["A=x=y", [["A", "x=y"]]],
    ["", []],
    ["no pair", []],
    ["A=a\nb", [["A", "a\nb"]]],
  ])("profile variables %j are read as %j", (text, pairs) => {
    expect(parseProfileEnv(text)).toEqual(pairs);
  });
});
