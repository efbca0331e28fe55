import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { cluster, expectRefusal, newSandbox, perFile, perTest } from "../../support/suite";

const mine = perTest();
const shared = perFile();
/** For tests that are not about starting. */
let running: SandboxClient;
beforeAll(async () => {
  running = await newSandbox(shared);
});

describe("calls at the same time @core", () => {
  it("CONC-1 start exactly one pod when they are a sandbox's first", async () => {
    const sandbox = await newSandbox(mine);
    const answers = await Promise.all([0, 1, 2, 3, 4].map((n) => sandbox.python(`print(${n} * 10)`)));
    expect(answers.map((answer) => expectStatus(answer, 200).output)).toEqual(["0", "10", "20", "30", "40"]);
    await cluster.sessionPod(sandbox.id);
    expect(expectStatus(await sandbox.get(), 200).status).toBe("ready");
  });

  it("run one after another in the same interpreter", async () => {
    expectStatus(await running.python("seen = []"), 200);
    await Promise.all(
      Array.from({ length: 8 }, async (_, n) => expectStatus(await running.python(`seen.append(${n})`), 200)),
    );
    expect(expectStatus(await running.python("print(sorted(seen))"), 200).output).toBe("[0, 1, 2, 3, 4, 5, 6, 7]");
  });

  it("SRV-5 work in three sandboxes side by side, and delete them @slow", async () => {
    const sandboxes = await Promise.all([1, 2, 3].map(() => newSandbox(mine)));
    const outputs = await Promise.all(
      sandboxes.map(async (sandbox, n) => expectStatus(await sandbox.python(`who = ${n}; print(who)`), 200).output),
    );
    expect(outputs).toEqual(["0", "1", "2"]);
    const deleted = await Promise.all(sandboxes.map((sandbox) => sandbox.delete()));
    expect(deleted.map(({ status }) => status)).toEqual([204, 204, 204]);
  });

  it("delete a sandbox twice without an error", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.shell("true"), 200);
    const answers = await Promise.all([sandbox.delete(), sandbox.delete()]);
    expect(answers.map(({ status }) => status)).toEqual([204, 204]);
    expectRefusal(await sandbox.get(), 404, "not_found");
  });

  it("carry 40 answers at once through one port-forward, each to its own caller", async () => {
    const contents = Array.from({ length: 40 }, (_, n) => `${n} `.repeat(5_000));
    await Promise.all(
      contents.map(async (content, n) => expectStatus(await running.writeFile(`many/${n}.txt`, content), 200)),
    );
    const back = await Promise.all(
      contents.map(async (_, n) => expectStatus(await running.readFile(`many/${n}.txt`), 200).content),
    );
    expect(back).toEqual(contents);
  });
});
