import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ProgramInfo, RunRequest } from "@pulumi/pulumi/proto/language_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { Children } from "../children";
import { runProgram } from "../run";
import { startEngine } from "./engine";

// What Pulumi's SDK, run by this host, does with errors that a program does not handle: the official host runs the same
// module of it.
const REPOSITORY = resolve(__dirname, "../../..");
const GUARD = `require(${JSON.stringify(join(REPOSITORY, "infra/support/end-on-rejection"))}).endOnRejection(500);`;
const COMPONENT = "class C extends pulumi.ComponentResource";
const FAILS = `.apply(() => Promise.reject(new TypeError("boom")))`;

let started: Awaited<ReturnType<typeof startEngine>>;
let root: string;

beforeAll(async () => {
  started = await startEngine();
  root = mkdtempSync(join(tmpdir(), "rejections-"));
  mkdirSync(join(root, "infra"));
  symlinkSync(join(REPOSITORY, "node_modules"), join(root, "node_modules"));
  writeFileSync(
    join(root, "package.json"),
    JSON.stringify({ name: "p", version: "1.0.0", dependencies: { "@pulumi/pulumi": "*" } }),
  );
});
afterAll(() => {
  started.engine.forceShutdown();
  rmSync(root, { recursive: true });
});

/** Runs a program of this text; what still runs after the deadline is killed. */
async function run(text: string, deadline = 25_000): Promise<{ kind: string; errors: string }> {
  writeFileSync(join(root, "infra", "index.ts"), `import * as pulumi from "@pulumi/pulumi";\n${text}`);
  const options = Struct.fromJavaScript({ typescript: false, nodeargs: "--require tsx/cjs" });
  const info = new ProgramInfo()
    .setRootDirectory(root)
    .setProgramDirectory(join(root, "infra"))
    .setEntryPoint(".")
    .setOptions(options);
  const request = new RunRequest()
    .setInfo(info)
    .setPwd(join(root, "infra"))
    .setProgram(".")
    .setProject("proj")
    .setStack("dev")
    .setOrganization("org");
  request.setMonitorAddress(started.address).setParallel(7);
  const { length } = started.record.errors;
  const { kind } = await runProgram(
    request,
    { engine: started.address, children: new Children() },
    AbortSignal.timeout(deadline),
  );
  return { kind, errors: started.record.errors.slice(length).join("\n") };
}

test.each([
  ["an apply that nothing consumes", `pulumi.output(1)${FAILS};`],
  ["an output that is exported", `export const x = pulumi.output(1)${FAILS};`],
  [
    "an output that is a resource's input",
    `${COMPONENT} {}; new C("a:b:C", "c", { v: pulumi.output(1)${FAILS} }, {}, true);`,
  ],
  [
    "a promise of a component's constructor",
    `${COMPONENT} { constructor() { super("a:b:C", "c"); void this.go(); } async go() { await null; throw new TypeError("boom"); } }; new C();`,
  ],
  [
    "a component's initialize",
    `${COMPONENT} { constructor() { super("a:b:C", "c"); } async initialize() { await null; throw new TypeError("boom"); } }; new C();`,
  ],
  ["a timer", `setTimeout(() => { throw new TypeError("boom"); }, 10);`],
])(
  "an error in %s is reported and ends the program, which waits for something else",
  async (_, fault) => {
    const { kind, errors } = await run(`${GUARD}\nsetInterval(() => undefined, 1_000);\n${fault}`);
    expect(kind).toBe("reported");
    expect(errors).toContain("boom");
  },
  30_000,
);

test("without the guard it goes on", async () => {
  expect((await run(`setInterval(() => undefined, 1_000);\npulumi.output(1)${FAILS};`, 6_000)).kind).toBe("failed");
}, 30_000);
