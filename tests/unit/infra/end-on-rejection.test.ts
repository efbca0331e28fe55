import { spawnSync } from "node:child_process";
import { join } from "node:path";

const MODULE = join(__dirname, "../../../infra/support/end-on-rejection.ts");

/** A program with a handler like that of Pulumi's SDK, which reports and goes on, and something that never ends. */
function run(
  script: string,
  guarded = true,
  timeout = 6_000,
): { status: number | null; stderr: string; stdout: string } {
  const program = `
    const { endOnRejection } = require(${JSON.stringify(MODULE)});
    const report = (error) => { process.stderr.write("reported: " + error.message + "\\n"); };
    process.on("unhandledRejection", report).on("uncaughtException", report);
    ${guarded ? "endOnRejection(200);" : ""}
    ${script}`;
  return spawnSync(process.execPath, ["--require", "tsx/cjs", "--eval", program], {
    cwd: join(__dirname, "../../.."),
    encoding: "utf8",
    timeout,
  });
}

describe("a program that waits for ever after an error that nothing handled", () => {
  test.each([
    ["a rejection", "Promise.reject(new Error('boom'));"],
    ["an exception", "setTimeout(() => { throw new Error('boom'); });"],
  ])("is ended after %s, and the error is told once", (_, fault) => {
    const { status, stderr } = run(`setInterval(() => undefined, 1000); ${fault}`);
    expect(status).toBe(32);
    expect(stderr.match(/boom/g)).toHaveLength(1);
    expect(stderr).toContain("still waiting 0.2 s after an error");
  });

  // Node.js before the fix of nodejs/node#64011 never returns from this call; a fixed one passes without the guard too.
  test.each(["node_modules/@pulumi/output.ts", "node_modules/output.js"])(
    "reports an error whose stack has a frame in %s",
    (path) => {
      const { status, stdout } = run(`
      const error = new Error("outer", { cause: Object.assign(new Error("inner"), { stack: "Error: inner\\n    at apply (/app/${path}:1:2)" }) });
      process.stdout.write(require("node:util").inspect(error, { colors: true }));`);
      expect({ status, frames: stdout.split("\n").filter((line) => line.includes(path)).length }).toEqual({
        status: 0,
        frames: 1,
      });
    },
  );

  test("would go on without the guard", () => {
    expect(run("setInterval(() => undefined, 1000); Promise.reject(new Error('boom'));", false).status).toBeNull();
  });

  test("is not kept alive by the guard, and a program without an error is left alone", () => {
    expect(run("Promise.reject(new Error('boom'));").stderr).not.toContain("still waiting");
    expect(run("setTimeout(() => { process.exitCode = 7; }, 500);").status).toBe(7);
  });
});
