import { expectStatus, type SandboxClient } from "../../support/bay-client";
import type { ShellResult } from "../../support/bay-types";
import { newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
});

const shell = async (command: string, cwd?: string): Promise<ShellResult> =>
  expectStatus(await sandbox.shell(command, cwd === undefined ? {} : { cwd }), 200);

describe("shell @shell", () => {
  it("SH-1 gives what a command prints", async () => {
    expect(await shell("echo hello")).toMatchObject({ success: true, output: "hello", exit_code: 0 });
  });

  it("SH-2 starts in /workspace", async () => {
    expect((await shell("pwd")).output).toBe("/workspace");
  });

  it("SH-3 starts in the folder named by cwd", async () => {
    await shell("mkdir -p deep/er");
    expect((await shell("pwd", "deep/er")).output).toBe("/workspace/deep/er");
  });

  it("SH-4 sees a file that the file API wrote", async () => {
    expectStatus(await sandbox.writeFile("from-api.txt", "from the API"), 200);
    expect((await shell("cat from-api.txt")).output).toBe("from the API");
  });

  it.each([
    ["exit 1", 1],
    ["exit 42", 42],
    ["no-such-command-here", 127],
  ])("SH-5, SH-6 tells the exit code of `%s`: %i", async (command, code) => {
    expect(await shell(command)).toMatchObject({ success: false, exit_code: code });
  });

  it("gives what a failing command wrote to standard error", async () => {
    expect(await shell("echo reason >&2; exit 3")).toMatchObject({
      success: false,
      exit_code: 3,
      output: "",
      error: "reason",
    });
  });

  it("SH-7, SH-8 runs pipes and gives every line", async () => {
    expect((await shell("printf 'b\\nc\\na\\n' | sort")).output).toBe("a\nb\nc");
  });

  it("SH-9, SH-11 runs as shipyard with /workspace as its home", async () => {
    expect((await shell("echo $(whoami) $HOME $(id -u)")).output).toBe("shipyard /workspace 1000");
  });

  it("SH-10 writes files that the file API reads", async () => {
    await shell("echo from the shell > from-shell.txt");
    expect(expectStatus(await sandbox.readFile("from-shell.txt"), 200)).toEqual({ content: "from the shell\n" });
  });

  it("ends a command that runs past its time, its children with it", async () => {
    const late = expectStatus(await sandbox.shell("sleep 61.5 & sleep 61.5", { timeout: 1 }), 200);
    expect(late).toMatchObject({ success: false, exit_code: -1, error: "Command timed out" });
    expect((await shell("grep -la '6[1][.]5' /proc/[0-9]*/cmdline 2>/dev/null | wc -l")).output).toBe("0");
  });

  it("SH-12 has the container's own /etc/passwd", async () => {
    expect(expectStatus(await sandbox.shell("cat /etc/passwd"), 200).output).toContain("shipyard");
  });

  it("keeps no variable from one call to the next", async () => {
    await shell("export LEFT=behind");
    expect((await shell("echo [$LEFT]")).output).toBe("[]");
  });
});
