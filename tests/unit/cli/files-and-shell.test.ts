import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireReplaceable } from "../../../cli/commands/stack";
import { exportLine } from "../../../cli/commands/tools";
import { tryRun } from "../../../infra/support/exec";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bay-e2e-files-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("the environment for a shell", () => {
  const before = "/home/me/project/node_modules/.bin:/home/me/node_modules/.bin:/tmp/node_modules/.bin:/usr/bin";

  test("has of PATH what was added, and not what npm put before it", () => {
    expect(exportLine("PATH", `/cache/bin:/cache/it's:${before}`, before)).toBe(
      `export PATH='/cache/bin:/cache/it'\\''s:'"$PATH"`,
    );
    expect(exportLine("PATH", before, before)).toBe(`export PATH="$PATH"`);
    expect(exportLine("A", "it's", before)).toBe(`export A='it'\\''s'`);
  });

  test("adds it before what the shell has", async () => {
    const { stdout } = await tryRun([
      "sh",
      "-c",
      `PATH=/usr/bin; ${exportLine("PATH", `/new:${before}`, before)}; echo "$PATH"`,
    ]);
    expect(stdout).toBe("/new:/usr/bin");
  });
});

describe("the file for a kubeconfig", () => {
  const at = (name: string, text?: string) => {
    if (text !== undefined) writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const cluster = (name: string) => `{name: ${name}, cluster: {server: "https://h"}}`;

  test.each([
    ["is new", undefined],
    ["is empty", ""],
    ["is a kubeconfig of one cluster", `clusters: [${cluster("a")}]`],
  ])("is written where it %s", (_, text) => {
    expect(() => {
      requireReplaceable(at("kc.yaml", text));
    }).not.toThrow();
  });

  test.each([
    ["is no kubeconfig", "hello: world", "is no kubeconfig"],
    ["is no YAML", "a: [", "is no kubeconfig"],
    ["has other clusters", `clusters: [${cluster("a")}, ${cluster("b")}]`, "other clusters"],
  ])("is not written over where it %s", (_, text, why) => {
    expect(() => {
      requireReplaceable(at("kc.yaml", text));
    }).toThrow(expect.objectContaining({ code: "E_USAGE", seen: expect.stringContaining(why) }));
  });

  test("is no folder, and in one that is there", () => {
    mkdirSync(join(folder, "sub"));
    expect(() => {
      requireReplaceable(join(folder, "sub"));
    }).toThrow(expect.objectContaining({ seen: expect.stringContaining("it is a folder") }));
    expect(() => {
      requireReplaceable(join(folder, "gone", "kc.yaml"));
    }).toThrow(expect.objectContaining({ seen: expect.stringContaining("there is no folder") }));
  });
});

describe("a command that a signal ends", () => {
  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)(
    "%s says so, with what it was at and the command that goes on, and ends with %i",
    async (signal, code) => {
      const script = `
      const { onInterrupt, interruption, exitCodeOf } = require(${JSON.stringify(join(__dirname, "../../../cli/interrupt.ts"))});
      onInterrupt("cancelling", () => "Left at once. Remove the rest with: npm run preview -- down a");
      setTimeout(() => undefined, 60_000);
      process.on(${JSON.stringify(signal)}, () => { const { signal, next } = interruption(); console.log(JSON.stringify({ signal, next })); process.exit(exitCodeOf(signal)); });
      console.log("ready");`;
      const child = spawn(process.execPath, ["--require", "tsx/cjs", "--eval", script], {
        cwd: join(__dirname, "../../.."),
        stdio: ["ignore", "pipe", "ignore"],
      });
      let printed = "";
      child.stdout.on("data", (chunk: Buffer) => {
        printed += chunk.toString();
        if (printed === "ready\n") child.kill(signal);
      });
      await expect(
        new Promise((resolve) => {
          child.on("exit", resolve);
        }),
      ).resolves.toBe(code);
      expect(printed).toContain(JSON.stringify({ signal, next: "npm run preview -- down a" }));
    },
  );
});
