import { expectStatus } from "../../support/bay-client";
import { newSandbox, perTest } from "../../support/suite";

const mine = perTest();
/** More than the profile oom-test has. */
const HOARD = "hoard = [bytearray(1 << 20) for _ in range(1 << 12)]";

describe("a sandbox whose memory runs out @resilience", () => {
  it("fails that call by name and works again with the next one @slow", async () => {
    const sandbox = await newSandbox(mine, { profile: "oom-test" });
    expectStatus(await sandbox.writeFile("kept.txt", "kept"), 200);
    const answer = await sandbox.python(HOARD);
    // What ends is the interpreter, which Ship tells, or the whole container, after which Bay has nobody to ask.
    const told = answer.status === 200 ? answer.data.error : JSON.stringify(answer.data);
    expect({ status: answer.status, success: answer.data.success === true, told }).toEqual({
      status: expect.any(Number),
      success: false,
      told: expect.stringMatching(answer.status === 200 ? /SIGKILL|MemoryError/ : /ship_error/),
    });
    expect([200, 502]).toContain(answer.status);
    expect(expectStatus(await sandbox.python("print(open('kept.txt').read())"), 200)).toMatchObject({
      success: true,
      output: "kept",
    });
  });

  it("works on after a command took it all @slow", async () => {
    const sandbox = await newSandbox(mine, { profile: "oom-test" });
    const answer = await sandbox.shell(`python3 -c '${HOARD}'`);
    if (answer.status === 200) expect(answer.data).toMatchObject({ success: false });
    else expect(answer.status).toBe(502);
    expect(expectStatus(await sandbox.shell("echo well"), 200)).toMatchObject({ success: true, output: "well" });
  });
});
