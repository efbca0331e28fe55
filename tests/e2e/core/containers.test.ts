import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { cluster, newSandbox, perFile } from "../../support/suite";

const PROFILE = "two-containers-test";
const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine, { profile: PROFILE });
  expectStatus(await sandbox.python("open('/tmp/of-python', 'w').close()"), 200);
});

const shell = async (command: string): Promise<string> => expectStatus(await sandbox.shell(command), 200).output;

describe("a sandbox of two containers @core", () => {
  it("has both in one pod, healthy and with their capabilities", async () => {
    const { containers } = expectStatus(await sandbox.get(), 200);
    expect(containers).toEqual([
      {
        name: "ship",
        runtime_type: "ship",
        status: "running",
        version: expect.any(String),
        capabilities: expect.arrayContaining(["python"]),
        healthy: true,
      },
      {
        name: "shell",
        runtime_type: "ship",
        status: "running",
        version: expect.any(String),
        capabilities: ["shell", "filesystem"],
        healthy: true,
      },
    ]);
    expect((await cluster.sessionPod(sandbox.id)).spec?.containers.map(({ name }) => name)).toEqual(["ship", "shell"]);
  });

  it("sends the shell's commands to another container than Python's code", async () => {
    expect(await shell("test -e /tmp/of-python && echo same || echo another")).toBe("another");
    expect(await shell("echo $BAY_TEST_ENV_VAR")).toBe("test-value-12345");
  });

  it("has one workspace and one localhost for both", async () => {
    expectStatus(await sandbox.python("open('shared.txt', 'w').write('from python')"), 200);
    expect(await shell("cat shared.txt")).toBe("from python");
    expect(await shell("curl -s localhost:8123/health")).toContain("healthy");
  });
});
