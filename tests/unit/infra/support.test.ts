import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../infra/support/errors";
import { mask, pasteable, run, tail, tryRun } from "../../../infra/support/exec";
import { writeWhole } from "../../../infra/support/files";
import { nearest } from "../../../infra/support/nearest";
import { freePort, requirePort } from "../../../infra/support/ports";
import { waitFor } from "../../../infra/support/wait";

describe("a command", () => {
  test("gives its output", async () => {
    await expect(run(["printf", "%s", "a b"])).resolves.toBe("a b");
  });

  test("that fails is an error with its code, its last words and a line to paste", async () => {
    const error = await run(["sh", "-c", "echo last words >&2; exit 3"]).catch(
      (thrown: unknown) => thrown as UserError,
    );
    expect(error).toMatchObject({
      code: "E_COMMAND",
      seen: "exit code 3",
      next: "sh -c 'echo last words >&2; exit 3'",
      detail: "last words",
    });
  });

  test("that does not exist is a missing tool", async () => {
    await expect(tryRun(["no-such-program-here"])).rejects.toMatchObject({ code: "E_TOOL_MISSING" });
  });

  test("that does not end is ended, and says so", async () => {
    await expect(tryRun(["sleep", "60"], { timeout: 200 })).rejects.toMatchObject({ code: "E_COMMAND_TIMEOUT" });
  });

  test("never shows its secrets", async () => {
    const error = await run(["sh", "-c", "echo token-123; exit 1"], { secrets: ["token-123"] }).catch(
      (thrown: unknown) => thrown as UserError,
    );
    expect((error as UserError).message).not.toContain("token-123");
    expect(mask("a token-123 b", ["token-123", ""])).toBe("a [secret] b");
  });

  test("tells the lines of its standard error as they come, and keeps its output to itself", async () => {
    const lines: string[] = [];
    await run(["sh", "-c", "echo one >&2; echo result; echo two >&2"], { onLine: (line) => lines.push(line) });
    expect(lines).toEqual(["one", "two"]);
  });

  test("reads what it is given", async () => {
    await expect(run(["cat"], { input: "text" })).resolves.toBe("text");
  });
});

test("words are quoted so that a shell takes them as they are", () => {
  expect(pasteable(["a", "b c", "it's", "x=1"])).toBe(`a 'b c' 'it'\\''s' x=1`);
});

test("a tail is the last lines", () => {
  expect(tail("1\n2\n3\n", 2)).toBe("2\n3");
});

test("a near word is found, a far one is not", () => {
  expect(nearest("redyTimeout", ["readyTimeout", "pod"])).toBe("readyTimeout");
  expect(nearest("zebra", ["readyTimeout", "pod"])).toBeUndefined();
});

describe("a file written whole", () => {
  test("is never seen half-written: who reads the old one goes on reading it", () => {
    const folder = mkdtempSync(join(tmpdir(), "bay-e2e-files-"));
    const file = join(folder, "inner", "mark.json");
    try {
      writeWhole(file, "old", 0o600);
      expect([statSync(file).mode & 0o777, statSync(join(folder, "inner")).mode & 0o777]).toEqual([0o600, 0o700]);
      const reader = openSync(file, "r");
      writeWhole(file, "new and longer", 0o600);
      expect([readFileSync(reader, "utf8"), readFileSync(file, "utf8"), readdirSync(join(folder, "inner"))]).toEqual([
        "old",
        "new and longer",
        ["mark.json"],
      ]);
      closeSync(reader);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("a port", () => {
  let server: Server;
  afterEach(() => {
    server?.close();
  });

  test("that is taken is an error with the key that named it", async () => {
    server = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => {
      server.listen(port, "127.0.0.1", resolve);
    });
    await expect(requirePort(port, "k3sApiPort")).rejects.toMatchObject({
      code: "E_PORT_IN_USE",
      seen: expect.stringContaining(`127.0.0.1:${port} (config key k3sApiPort)`),
    });
  });
});

describe("a wait", () => {
  test("gives the value once there is one", async () => {
    let looks = 0;
    await expect(
      waitFor(
        () => Promise.resolve(++looks < 3 ? { reason: "not yet" } : { value: looks }),
        { deadline: 1000, interval: 1 },
        () => new Error(),
      ),
    ).resolves.toBe(3);
  });

  test("that is given up says why", async () => {
    await expect(
      waitFor(
        () => Promise.resolve({ reason: "the node is not ready" }),
        { deadline: 5, interval: 1 },
        (reason) => new Error(reason),
      ),
    ).rejects.toThrow("the node is not ready");
  });

  test("ends at once when the look throws", async () => {
    await expect(
      waitFor(
        () => Promise.reject(new Error("dead")),
        { deadline: 60_000 },
        () => new Error("late"),
      ),
    ).rejects.toThrow("dead");
  });
});
