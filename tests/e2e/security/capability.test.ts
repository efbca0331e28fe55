import { expectStatus } from "../../support/bay-client";
import { cluster, expectRefusal, newSandbox, perTest } from "../../support/suite";

const mine = perTest();

describe("a profile without a capability @security", () => {
  it("CAP-1, CAP-2, CAP-3 runs Python and refuses the rest with 400 capability_not_supported", async () => {
    const sandbox = await newSandbox(mine, { profile: "python-only-test" });
    for (const [capability, call] of [
      ["shell", () => sandbox.shell("true")],
      ["filesystem", () => sandbox.readFile("a")],
      ["filesystem", () => sandbox.writeFile("a", "")],
      ["filesystem", () => sandbox.list()],
      ["filesystem", () => sandbox.deleteFile("a")],
      ["filesystem", () => sandbox.download("a")],
      ["filesystem", () => sandbox.upload("a", Buffer.from("x"))],
    ] as const) {
      const error = expectRefusal(await call(), 400, "capability_not_supported");
      expect(error.details).toEqual({ capability, available: ["python"] });
    }
    expect(await cluster.sessionPods(sandbox.id)).toEqual([]);
    expect(expectStatus(await sandbox.python("6 * 7"), 200).output).toBe("42");
  });
});

describe("a profile with all capabilities @security", () => {
  it("CAP-4, CAP-5, CAP-6 runs Python and shell, and lists files", async () => {
    const sandbox = await newSandbox(mine);
    expect(expectStatus(await sandbox.python("print('py')"), 200)).toMatchObject({ success: true, output: "py" });
    expect(expectStatus(await sandbox.shell("echo sh"), 200)).toMatchObject({ success: true, output: "sh" });
    expect(expectStatus(await sandbox.list("."), 200).entries).toEqual(expect.any(Array));
  });
});
