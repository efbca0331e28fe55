import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let one: SandboxClient;
let other: SandboxClient;
beforeAll(async () => {
  [one, other] = await Promise.all([newSandbox(mine), newSandbox(mine)]);
});

const shell = async (sandbox: SandboxClient, command: string): Promise<string> =>
  expectStatus(await sandbox.shell(command), 200).output;

describe("two sandboxes @isolation", () => {
  it("do not see each other's files", async () => {
    expectStatus(await one.writeFile("private.txt", "of one"), 200);
    const { entries } = expectStatus(await other.list(), 200);
    expect(entries.map(({ name }) => name)).not.toContain("private.txt");
    expect(await shell(other, "find / -name private.txt -not -path '/proc/*' 2>/dev/null | wc -l")).toBe("0");
  });

  it("do not see each other's variables", async () => {
    expectStatus(await one.python("private = 'of one'"), 200);
    expect(expectStatus(await other.python("private"), 200)).toMatchObject({
      success: false,
      error: expect.stringContaining("NameError"),
    });
  });

  it("do not see each other's processes", async () => {
    const count = "grep -la '765[4][.]3' /proc/[0-9]*/cmdline 2>/dev/null | wc -l";
    expectStatus(await one.python("import subprocess; child = subprocess.Popen(['sleep', '7654.3'])"), 200);
    expect(await shell(one, count)).toBe("1");
    expect(await shell(other, count)).toBe("0");
    expectStatus(await one.python("child.kill(); child.wait(); None"), 200);
  });

  it("have hostnames of their own", async () => {
    const [first, second] = await Promise.all([shell(one, "cat /etc/hostname"), shell(other, "cat /etc/hostname")]);
    expect(first).toMatch(/\S/);
    expect(first).not.toBe(second);
  });
});

describe("a sandbox @isolation", () => {
  it("ISO-1, ISO-2 has its own /etc/passwd with the user shipyard", async () => {
    const { output } = expectStatus(await one.python("print(open('/etc/passwd').read())"), 200);
    expect(output).toContain("root:");
    expect(output).toContain("shipyard");
  });

  it("ISO-4 runs commands as uid 1000, not as root", async () => {
    const id = await shell(one, "id");
    expect(id).toContain("uid=1000(shipyard)");
    expect(id).not.toContain("uid=0(root)");
  });

  it("ISO-7 has no Docker socket", async () => {
    expect(expectStatus(await one.python("import os; print(os.path.exists('/var/run/docker.sock'))"), 200).output).toBe(
      "False",
    );
  });

  it("ISO-8 cannot write to /etc from the shell", async () => {
    const { success, output, error } = expectStatus(await one.shell("touch /etc/test"), 200);
    expect(success).toBe(false);
    expect(`${output}${error}`).toMatch(/denied|read-only/i);
  });
});
