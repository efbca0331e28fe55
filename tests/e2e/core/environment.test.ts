import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { bay, newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
});

const shell = async (command: string): Promise<string> => expectStatus(await sandbox.shell(command), 200).output;
const python = async (code: string): Promise<string> => expectStatus(await sandbox.python(code), 200).output;
const SEMVER = /^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/;

describe("the environment of a sandbox @core", () => {
  it("ENV-3 writes the profile's variables into /workspace/.bay_env.sh", async () => {
    const file = await shell("cat /workspace/.bay_env.sh");
    expect(file).toContain("BAY_TEST_ENV_VAR");
    expect(file).toContain("test-value-12345");
  });

  it("ENV-4 gives them to shell and Python of one sandbox", async () => {
    expect(
      await Promise.all([shell("echo $BAY_TEST_ENV_VAR"), python("import os; print(os.environ['BAY_TEST_ENV_VAR'])")]),
    ).toEqual(["test-value-12345", "test-value-12345"]);
  });

  it("VER-1 runs in a Bay that tells its version", async () => {
    expect(expectStatus(await bay.health(), 200).version).toMatch(SEMVER);
  });

  it("VER-2 has a runtime that tells its version at /health", async () => {
    const { version } = JSON.parse(await shell("curl -s localhost:8123/health")) as { version: string };
    expect(version).toMatch(SEMVER);
  });

  it("VER-3 has a runtime that tells its version at /meta", async () => {
    const { runtime } = JSON.parse(await shell("curl -s localhost:8123/meta")) as { runtime: { version: string } };
    expect(runtime.version).toMatch(SEMVER);
  });

  it("VER-4 shows its containers with their versions once they run", async () => {
    await shell("true");
    const { containers } = expectStatus(await sandbox.get(), 200);
    expect(containers!.length).toBeGreaterThanOrEqual(1);
    for (const container of containers!) {
      expect(container).toMatchObject({
        name: expect.any(String),
        runtime_type: expect.any(String),
        status: expect.any(String),
        capabilities: expect.any(Array),
      });
      if (container.status === "running") expect(container.version).toMatch(SEMVER);
    }
  });

  it("VER-5, SRV-2 shows no container, and is idle or ready, when it was just made", async () => {
    const fresh = await newSandbox(mine);
    expect(fresh.created.containers).toBeNull();
    const seen = expectStatus(await fresh.get(), 200);
    // A Bay that starts sandboxes on its own may have begun: then the containers tell of that.
    expect(["idle", "starting", "ready"]).toContain(seen.status);
    if (seen.status === "idle") expect(seen.containers).toBeNull();
  });
});
