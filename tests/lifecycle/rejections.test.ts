import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./host";
import { npmRun } from "./runner";
import { stackFile } from "./stack-file";

// Programs that fail in ways that nothing handles, under a real `pulumi up` with the tools that this project uses, and
// a state of their own.
const STACK = "rejections";
let file: string;
let tools: string;
let folder: string;

beforeAll(() => {
  file = stackFile(STACK);
  tools = execFileSync("npm", ["run", "-s", "env", "--", "--stack", STACK], { cwd: ROOT, encoding: "utf8" });
  folder = mkdtempSync(join(tmpdir(), "rejections-"));
  mkdirSync(join(folder, "state"));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ name: "rejections", dependencies: { "@pulumi/pulumi": "*" } }),
  );
  const runtime = { name: "nodejs", options: { typescript: false, nodeargs: "--require tsx/cjs" } };
  writeFileSync(join(folder, "Pulumi.yaml"), JSON.stringify({ name: "rejections", runtime, main: "index.ts" }));
  writeFileSync(join(folder, "index.ts"), "");
  expect(pulumi("pulumi stack init mini").status).toBe(0);
});
afterAll(async () => {
  // `npm run env` makes an empty stack where there is none.
  await npmRun(["down", "--", "--stack", STACK]).done;
  rmSync(file, { force: true });
  rmSync(folder, { recursive: true, force: true });
});

const FAILS = `pulumi.output(1).apply(() => Promise.reject(new TypeError("boom")))`;
const COMPONENT = "class C extends pulumi.ComponentResource";

test.each([
  ["an apply that nothing consumes", `${FAILS};`],
  ["an output that is exported", `export const x = ${FAILS};`],
  ["an output that is a resource's input", `${COMPONENT} {}; new C("a:b:C", "c", { v: ${FAILS} }, {}, true);`],
  [
    "a promise of a component's constructor",
    `${COMPONENT} { constructor() { super("a:b:C", "c"); void this.go(); } async go() { await null; throw new TypeError("boom"); } }; new C();`,
  ],
  ["a timer", `setTimeout(() => { throw new TypeError("boom"); }, 10);`],
])("an error in %s fails the up, which says so", (_, fault) => {
  const guard = `require(${JSON.stringify(join(ROOT, "infra/support/end-on-rejection"))}).endOnRejection(1_000);`;
  writeFileSync(
    join(folder, "index.ts"),
    `import * as pulumi from "@pulumi/pulumi";\n${guard}\nsetInterval(() => undefined, 1_000);\n${fault}\n`,
  );
  const { status, output } = pulumi("pulumi up --yes --skip-preview --non-interactive --stack mini");
  expect({ status, output }).toEqual({
    status: expect.any(Number) as number,
    output: expect.stringContaining("boom") as string,
  });
  expect(status).not.toBe(0);
});

/** Runs a command with the tools of `npm run env`; null as status: it was ended after 60 s. */
function pulumi(command: string): { status: number | null; output: string } {
  const script = `${tools}\nunset PULUMI_CONFIG_PASSPHRASE_FILE; export PULUMI_BACKEND_URL="$STATE"; exec ${command}`;
  const env = { ...process.env, STATE: `file://${join(folder, "state")}`, PULUMI_CONFIG_PASSPHRASE: "mini" };
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script], {
    cwd: folder,
    encoding: "utf8",
    env,
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  return { status, output: stdout + stderr };
}
