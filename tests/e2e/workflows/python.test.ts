import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { newSandbox, perFile } from "../../support/suite";

const mine = perFile();
let sandbox: SandboxClient;
beforeAll(async () => {
  sandbox = await newSandbox(mine);
});

const python = async (code: string): ReturnType<typeof run> => run(code);
const run = async (code: string) => expectStatus(await sandbox.python(code), 200);

describe("python @workflows", () => {
  it("INT-1 keeps variables, functions and imports between calls", async () => {
    await python("import math\ncount = 1\ndef twice(n):\n    return 2 * n");
    await python("count += twice(20)");
    expect(await python("print(count, math.floor(2.5))")).toMatchObject({ success: true, output: "41 2" });
  });

  it("gives printed text and the value of the last expression, in that order", async () => {
    expect((await python("print('a'); 2")).output).toBe("a\n2");
  });

  it("gives no output for an assignment", async () => {
    expect(await python("silent = 1")).toMatchObject({ success: true, output: "", error: null });
  });

  it("returns text of every script and control character unchanged", async () => {
    const text = 'æøå 漢字 🚀 \t"quoted" \\n';
    expect((await python(`print(${JSON.stringify(text)})`)).output).toBe(text);
  });

  it.each([
    ["SCR-1 division by zero", "1 / 0", "ZeroDivisionError"],
    ["SCR-4 bad syntax", "def broken(:", "SyntaxError"],
    ["SCR-5 a missing module", "import no_such_module", "ModuleNotFoundError"],
    ["AGT-2 a wrong type", "'1' + 1", "TypeError"],
    ["AGT-2 a missing index", "[][1]", "IndexError"],
    ["AGT-2 a missing attribute", "(1).nothing", "AttributeError"],
  ])("names the exception of %s and goes on working", async (_, code, exception) => {
    expect(await python(code)).toMatchObject({ success: false, error: expect.stringContaining(exception) });
    expect(await python("1 + 1")).toMatchObject({ success: true, output: "2" });
  });

  it("ISO-5 works in /workspace", async () => {
    expect((await python("import os; print(os.getcwd())")).output).toBe("/workspace");
  });

  it("HIST-1 tells the execution's id and time, and the code only when asked", async () => {
    const plain = await python("1");
    expect(plain.execution_id).toMatch(/^exec-[0-9a-f]{12}$/);
    expect(plain.execution_time_ms).toBeGreaterThanOrEqual(0);
    expect(plain.code).toBeNull();
    expect(expectStatus(await sandbox.python("2", { include_code: true }), 200).code).toBe("2");
  });

  it("ends code that runs past its time and keeps the variables", async () => {
    await python("before = 7");
    const late = expectStatus(await sandbox.python("while True: pass", { timeout: 1 }), 200);
    expect(late).toMatchObject({ success: false, error: expect.stringContaining("timed out") });
    expect((await python("print(before)")).output).toBe("7");
  });

  it("SRV-7 prints JSON that parses from the output alone", async () => {
    const { output } = await python(
      "import json; print(json.dumps({'primes': [n for n in range(2, 30) if all(n % d for d in range(2, n))]}))",
    );
    expect(JSON.parse(output)).toEqual({ primes: [2, 3, 5, 7, 11, 13, 17, 19, 23, 29] });
  });
});
