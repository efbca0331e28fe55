import { randomBytes } from "node:crypto";
import { expectStatus } from "../../support/bay-client";
import type { PythonResult, ShellResult } from "../../support/bay-types";
import { uniqueName } from "../../support/names";
import { bay, expectRefusal, owned, perTest } from "../../support/suite";

const mine = perTest();

describe("a whole day of one sandbox @workflows", () => {
  it("MEGA-1, MEGA-2, MEGA-3, MEGA-4, MEGA-5 wakes, works, carries bytes, sleeps, wakes again, and goes @slow", async () => {
    const key = { "Idempotency-Key": uniqueName("mega") };
    const sandbox = owned(mine, expectStatus(await bay.createSandbox({ ttl: 600 }, { headers: key }), 201).id);
    const python = async (code: string): Promise<PythonResult> => expectStatus(await sandbox.python(code), 200);
    const shell = async (command: string, cwd?: string): Promise<ShellResult> =>
      expectStatus(await sandbox.shell(command, cwd === undefined ? {} : { cwd }), 200);

    // MEGA-1: is idle when it was made, is the same for the same key, and wakes with the first call
    const again = expectStatus(await bay.createSandbox({ ttl: 600 }, { headers: key }), 201);
    expect(again).toMatchObject({ id: sandbox.id, status: "idle" });
    expect(await python("def square(n):\n    return n * n\nprint(square(4))")).toMatchObject({
      success: true,
      output: "16",
    });
    expect(await python("print(square(5))")).toMatchObject({ output: "25" });

    // MEGA-2: runs commands and works with files
    expect(await shell("whoami && pwd")).toMatchObject({ success: true, output: "shipyard\n/workspace" });
    expect(await shell("printf 'b\\na\\nc\\n' | sort | head -1")).toMatchObject({ output: "a" });
    expect(await shell("exit 42")).toMatchObject({ success: false, exit_code: 42 });
    expectStatus(await sandbox.writeFile("tools/hello.py", "print('hello')\n"), 200);
    expect(expectStatus(await sandbox.readFile("tools/hello.py"), 200).content).toBe("print('hello')\n");
    expect(await shell("python3 hello.py", "tools")).toMatchObject({ output: "hello" });
    expectStatus(await sandbox.deleteFile("tools/hello.py"), 200);
    expect(expectStatus(await sandbox.list("tools"), 200).entries).toEqual([]);

    // MEGA-3: carries bytes both ways, is extended once, and gives an archive that a program made
    const bytes = randomBytes(256);
    expectStatus(await sandbox.upload("data/random.bin", bytes), 200);
    expect(expectStatus(await sandbox.download("data/random.bin"), 200).equals(bytes)).toBe(true);
    const headers = { "Idempotency-Key": uniqueName("mega-extend") };
    const first = expectStatus(await sandbox.extendTtl(300, { headers }), 200);
    expect(expectStatus(await sandbox.extendTtl(300, { headers }), 200)).toEqual(first);
    expect(await shell("tar -czvf data.tar.gz data")).toMatchObject({ success: true });
    expect(expectStatus(await sandbox.download("data.tar.gz"), 200).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));

    // MEGA-4: sleeps and wakes as often as it is asked to, with its files and without its variables
    expectStatus(await sandbox.stop(), 200);
    expect(await python("square(2)")).toMatchObject({ success: false, error: expect.stringContaining("NameError") });
    expect(await shell("ls data")).toMatchObject({ output: "random.bin" });
    expectStatus(await sandbox.stop(), 200);
    expectRefusal(await sandbox.readFile("/etc/passwd"), 400, "invalid_path");
    expect(expectStatus(await sandbox.list(), 200).entries.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["data", "tools"]),
    );
    for (const answer of [await sandbox.stop(), await sandbox.stop()]) expectStatus(answer, 200);
    expect(await python("print('awake')")).toMatchObject({ output: "awake" });

    // MEGA-5: was nobody but shipyard to the end, and is gone
    expect((await shell("id")).output).toContain("uid=1000(shipyard)");
    expect(await python("import os; print(os.getcwd())")).toMatchObject({ output: "/workspace" });
    expectStatus(await sandbox.delete(), 204);
    expectRefusal(await sandbox.get(), 404, "not_found");
  });
});
