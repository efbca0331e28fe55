import { expectStatus, type SandboxClient } from "../../support/bay-client";
import type { PythonResult } from "../../support/bay-types";
import { newSandbox, perTest } from "../../support/suite";

const mine = perTest();
const run = async (sandbox: SandboxClient, code: string): Promise<PythonResult> =>
  expectStatus(await sandbox.python(code), 200);

describe("a project in a sandbox @workflows", () => {
  it("PROJ-1, PROJ-2 gets its folders with its files", async () => {
    const sandbox = await newSandbox(mine);
    const requirements = "requests==2.32.0\nnumpy>=1.26\n";
    expectStatus(await sandbox.writeFile("src/core/engine.py", "ready = True\n"), 200);
    expectStatus(await sandbox.writeFile("requirements.txt", requirements), 200);
    expect(expectStatus(await sandbox.list("src"), 200).entries.map(({ name, is_dir }) => [name, is_dir])).toEqual([
      ["core", true],
    ]);
    expect(expectStatus(await sandbox.readFile("requirements.txt"), 200).content).toBe(requirements);
  });

  it("PROJ-3, PROJ-4 can be imported before and after a stop, which empties /tmp @slow", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.writeFile("kit.py", "NAME = 'kit'\n"), 200);
    expect(await run(sandbox, "open('/tmp/scratch', 'w').close()\nimport kit; print(kit.NAME)")).toMatchObject({
      output: "kit",
    });
    expectStatus(await sandbox.stop(), 200);
    expect(await run(sandbox, "import kit; print(kit.NAME)")).toMatchObject({ output: "kit" });
    expect(await run(sandbox, "open('/tmp/scratch')")).toMatchObject({
      success: false,
      error: expect.stringContaining("FileNotFoundError"),
    });
  });

  it("PROJ-5 runs as a whole", async () => {
    const sandbox = await newSandbox(mine);
    for (const [path, text] of [
      ["pkg/__init__.py", ""],
      ["pkg/model.py", "class Item:\n    def __init__(self, n):\n        self.n = n\n"],
      ["pkg/total.py", "from .model import Item\n\ndef total(numbers):\n    return sum(Item(n).n for n in numbers)\n"],
    ] as const) {
      expectStatus(await sandbox.writeFile(path, text), 200);
    }
    expect(await run(sandbox, "from pkg.total import total; print(total(range(10)))")).toMatchObject({
      success: true,
      output: "45",
    });
  });
});

describe("an interactive session @workflows", () => {
  it("INT-3 finds the file that Python wrote before a stop @slow", async () => {
    const sandbox = await newSandbox(mine);
    await run(sandbox, "with open('report.txt', 'w') as out: _ = out.write('written by python')");
    expectStatus(await sandbox.stop(), 200);
    expect(expectStatus(await sandbox.readFile("report.txt"), 200).content).toBe("written by python");
  });

  it("INT-4 reads a table, sums it up, and gives the result as a file", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.upload("in.csv", Buffer.from(`n\n${[...Array(10).keys()].join("\n")}\n`)), 200);
    const sum =
      "import csv\ntotal = sum(int(row['n']) for row in csv.DictReader(open('in.csv')))\n_ = open('out.txt', 'w').write(str(total))\nprint(total)";
    expect(await run(sandbox, sum)).toMatchObject({ success: true, output: "45" });
    expect(expectStatus(await sandbox.download("out.txt"), 200).toString()).toBe("45");
  });
});

describe("a call without a server of one's own @workflows", () => {
  it("SRV-1, SRV-3 starts cold, answers, and leaves nothing", async () => {
    const sandbox = await newSandbox(mine);
    expect(sandbox.created.status).toBe("idle");
    expect(await run(sandbox, "print(6 * 7)")).toMatchObject({ output: "42" });
    expect(["ready", "starting"]).toContain(expectStatus(await sandbox.get(), 200).status);
    expectStatus(await sandbox.delete(), 204);
    expect((await sandbox.get()).status).toBe(404);
  });

  it("SRV-6 computes: the sum of the first hundred primes, and the last of them", async () => {
    const sandbox = await newSandbox(mine);
    const code =
      "primes = []\nn = 2\nwhile len(primes) < 100:\n    if all(n % p for p in primes):\n        primes.append(n)\n    n += 1\nprint(sum(primes), primes[-1])";
    expect(await run(sandbox, code)).toMatchObject({ success: true, output: "24133 541" });
  });
});
