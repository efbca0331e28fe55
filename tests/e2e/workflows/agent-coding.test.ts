import { expectStatus, type SandboxClient } from "../../support/bay-client";
import type { PythonResult } from "../../support/bay-types";
import { uniqueName } from "../../support/names";
import { bay, newSandbox, owned, perTest } from "../../support/suite";

const mine = perTest();
const run = async (sandbox: SandboxClient, code: string): Promise<PythonResult> =>
  expectStatus(await sandbox.python(code), 200);

describe("an agent that writes code @workflows", () => {
  it("AGT-1 makes a keyed sandbox, runs a file with a typo, mends it, and goes on with what is defined", async () => {
    const headers = { "Idempotency-Key": uniqueName("agent") };
    const { id } = expectStatus(await bay.createSandbox({ ttl: 600 }, { headers }), 201);
    const sandbox = owned(mine, id);
    expectStatus(await sandbox.writeFile("main.py", "def area(r):\n    return 3 * rr * r\n"), 200);
    const execute = "exec(open('main.py').read()); print(area(2))";
    expect(await run(sandbox, execute)).toMatchObject({
      success: false,
      error: expect.stringMatching(/NameError[\s\S]*rr/),
    });
    expectStatus(await sandbox.writeFile("main.py", "def area(r):\n    return 3 * r * r\n"), 200);
    expect(await run(sandbox, execute)).toMatchObject({ success: true, output: "12" });
    const extend = { headers: { "Idempotency-Key": uniqueName("extend") } };
    const [first, again] = [await sandbox.extendTtl(300, extend), await sandbox.extendTtl(300, extend)];
    expect(expectStatus(again, 200).expires_at).toBe(expectStatus(first, 200).expires_at);
    expect(await run(sandbox, "print(area(10))")).toMatchObject({ output: "300" });
    expect(expectStatus(await sandbox.readFile("main.py"), 200).content).toContain("return 3 * r * r");
  });

  it("AGT-4 imports one file from another, and reloads it when it was rewritten", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.writeFile("lib.py", "def value():\n    return 1\n"), 200);
    expectStatus(await sandbox.writeFile("app.py", "import lib\n\ndef show():\n    return lib.value() + 1\n"), 200);
    expect(await run(sandbox, "import app; print(app.show())")).toMatchObject({ output: "2" });
    expectStatus(await sandbox.writeFile("lib.py", "def value():\n    return 40 + 1\n"), 200);
    expect(await run(sandbox, "import importlib, lib; importlib.reload(lib); print(app.show())")).toMatchObject({
      output: "42",
    });
  });

  it("AGT-5 keeps functions and lists over three calls", async () => {
    const sandbox = await newSandbox(mine);
    await run(sandbox, "seen = []\ndef note(x):\n    seen.append(x)\n    return len(seen)");
    await run(sandbox, "note('a'); note('b')");
    expect(await run(sandbox, "print(note('c'), seen)")).toMatchObject({ output: "3 ['a', 'b', 'c']" });
  });
});

describe("a script under development @workflows", () => {
  it("SCR-2, SCR-3 fails, is overwritten, and succeeds", async () => {
    const sandbox = await newSandbox(mine);
    const execute = "exec(open('work.py').read())";
    expectStatus(await sandbox.writeFile("work.py", "print(10 / 0)"), 200);
    expect(await run(sandbox, execute)).toMatchObject({
      success: false,
      error: expect.stringContaining("ZeroDivisionError"),
    });
    expectStatus(await sandbox.writeFile("work.py", "print(10 / 2)"), 200);
    expect(expectStatus(await sandbox.readFile("work.py"), 200).content).toBe("print(10 / 2)");
    expect(await run(sandbox, execute)).toMatchObject({ success: true, output: "5.0" });
  });

  it("SCR-6 uses the script beside it", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.writeFile("helper.py", "def add(a, b):\n    return a + b\n"), 200);
    expectStatus(await sandbox.writeFile("main.py", "from helper import add\nprint(add(20, 3))\n"), 200);
    expect(await run(sandbox, "import runpy; _ = runpy.run_path('main.py')")).toMatchObject({
      success: true,
      output: "23",
    });
  });
});
