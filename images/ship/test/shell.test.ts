import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseProfileEnv } from "../src/startup";
import { type RunningShip, startShip } from "./support/start-ship";

describe("Ship's shell", () => {
  let ship: RunningShip;
  beforeAll(async () => { ship = await startShip(undefined, { BAY_PROFILE_ENV: "GREETING=it's: hello world:URL=http://host:80/x", SECRET_OF_CONTAINER: "hidden" }); });
  afterAll(async () => { await ship.stop(); });

  const run = async (command: string, options: object = {}) => (await ship.post("/shell/exec", { command, timeout: 20, ...options })).body as {
    success: boolean; return_code: number; stdout: string; stderr: string; error: string | null;
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
    expect(result).toMatchObject({ success: code === 0, return_code: code, stdout: stdout.replaceAll("WORKSPACE", ship.workspace), stderr, error: null });
  });

  test("an unknown command is 127 and says so", async () => {
    expect(await run("no-such-command")).toMatchObject({ success: false, return_code: 127, stderr: expect.stringContaining("no-such-command") });
  });

  test("each command is a new shell in the workspace, or in a folder of it", async () => {
    mkdirSync(path.join(ship.workspace, "sub"));
    await run("cd sub; export X=1");
    expect((await run("pwd; echo [$X]")).stdout).toBe(`${ship.workspace}\n[]\n`);
    expect((await run("pwd", { cwd: "sub" })).stdout).toBe(`${ship.workspace}/sub\n`);
    expect(await run("pwd", { cwd: "nowhere" })).toMatchObject({ success: false, return_code: 1, stderr: expect.stringContaining("No such file") });
    expect(await run("pwd", { cwd: "../.." })).toMatchObject({ success: false, return_code: -1, error: expect.stringContaining("outside") });
  });

  test("output that is no UTF-8 text fails the command", async () => {
    expect(await run("printf '\\xff\\xfe'")).toMatchObject({ success: false, return_code: -1, error: expect.stringContaining("UTF-8") });
  });

  test("a timeout kills the whole group and gives no output", async () => {
    const result = await run("echo begun; (sleep 600; touch survived) & sleep 600 & echo $! > pid; wait", { timeout: 0.5 });
    expect(result).toMatchObject({ success: false, return_code: -1, stdout: "", error: "Command timed out" });
    const pid = Number(readFileSync(path.join(ship.workspace, "pid"), "utf8"));
    // A killed process goes when it is next scheduled, and may stay as a zombie until it is reaped: its state is read.
    const state = () => (existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2]! : "gone");
    const deadline = Date.now() + 10_000;
    while (!["gone", "Z", "X"].includes(state())) {
      if (Date.now() > deadline) throw new Error(`the command's child ${pid} lives on 10 s after the timeout, in state ${state()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  test("a background process that lets go of the output does not hold the call", async () => {
    expect(await run("sleep 600 > /dev/null 2>&1 & echo $! > held; echo done")).toMatchObject({ success: true, stdout: "done\n" });
    process.kill(Number(readFileSync(path.join(ship.workspace, "held"), "utf8")), "SIGKILL");
  });

  test("a client's own .bay_env.sh is sourced", async () => {
    const file = path.join(ship.workspace, ".bay_env.sh");
    const before = readFileSync(file, "utf8");
    expect(before).toContain("GREETING");
    writeFileSync(file, `${before}export ADDED=1\n`);
    expect((await run("echo $ADDED")).stdout).toBe("1\n");
  });

  test.each([
    ["A=1:B=2", [["A", "1"], ["B", "2"]]],
    ["URL=http://x:80/:B=", [["URL", "http://x:80/"], ["B", ""]]],
    ["A=x=y", [["A", "x=y"]]],
    ["", []],
    ["no pair", []],
    ["A=a\nb", [["A", "a\nb"]]],
  ])("profile variables %j are read as %j", (text, pairs) => {
    expect(parseProfileEnv(text)).toEqual(pairs);
  });
});
