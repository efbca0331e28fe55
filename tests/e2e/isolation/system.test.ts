import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
});

const shell = async (command: string): Promise<string> => expectStatus(await sandbox.shell(command), 200).output;
const python = async (code: string): Promise<string> => expectStatus(await sandbox.python(code), 200).output;

describe("what a sandbox knows of its system @isolation", () => {
  it("ISO-3 is the user shipyard", async () => {
    expect(await shell("whoami")).toBe("shipyard");
  });

  it("ISO-6 has its home in the workspace", async () => {
    expect(await shell("echo $HOME")).toBe("/workspace");
  });

  it("ISO-9 reads /etc/os-release", async () => {
    expect(await python("print(open('/etc/os-release').read())")).toMatch(/^(NAME|ID)=/m);
  });

  it("ISO-10 lists its processes from Python", async () => {
    const count = await python(
      "import subprocess; print(len(subprocess.run(['ps', 'aux'], capture_output=True, text=True, check=True).stdout.splitlines()))",
    );
    expect(Number(count)).toBeGreaterThan(1);
  });
});
