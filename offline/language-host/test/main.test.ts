import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { credentials, type Server } from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { LanguageRuntimeClient } from "@pulumi/pulumi/proto/language_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/language_pb";
import { ask } from "../../plugins/rpc/test/ask";
import { startEngine, type EngineRecord } from "./engine";

const REPOSITORY = resolve(__dirname, "../../..");
let root: string;
let host: ChildProcess;
let client: LanguageRuntimeClient;
let output = "";
let engine: Server;
let address: string;
let record: EngineRecord;

beforeAll(async () => {
  ({ engine, address, record } = await startEngine());
  root = mkdtempSync(join(tmpdir(), "language-host-"));
  mkdirSync(join(root, "infra"));
  symlinkSync(join(REPOSITORY, "node_modules"), join(root, "node_modules"));
  writeFileSync(
    join(root, "package.json"),
    JSON.stringify({ name: "p", version: "1.0.0", dependencies: { "@pulumi/pulumi": "*", "@pulumi/docker": "*" } }),
  );
  writeFileSync(
    join(root, "infra", "tsconfig.json"),
    JSON.stringify({
      compilerOptions: { noCheck: true, module: "CommonJS", moduleResolution: "Node10", target: "ES2022" },
    }),
  );
  host = spawn(process.execPath, ["--import", "tsx", join(REPOSITORY, "offline/language-host/main.ts"), address], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: REPOSITORY,
  });
  host.stderr!.on("data", (data: Buffer) => {
    output += data.toString();
  });
  const lines = createInterface(host.stdout!);
  const [port] = (await once(lines, "line")) as [string];
  lines.on("line", (line) => {
    output += `${line}\n`;
  });
  client = new LanguageRuntimeClient(`127.0.0.1:${port}`, credentials.createInsecure());
}, 30_000);

afterAll(() => {
  client.close();
  engine.forceShutdown();
  host.kill("SIGKILL");
  rmSync(root, { recursive: true });
});

function info(options: Record<string, string | boolean> = {}): pb.ProgramInfo {
  return new pb.ProgramInfo()
    .setRootDirectory(root)
    .setProgramDirectory(join(root, "infra"))
    .setEntryPoint(".")
    .setOptions(Struct.fromJavaScript(options));
}

/** A request to run a program of this text. */
function program(text: string, options: Record<string, string | boolean> = {}): pb.RunRequest {
  writeFileSync(join(root, "infra", "index.ts"), text);
  const request = new pb.RunRequest()
    .setInfo(info(options))
    .setPwd(join(root, "infra"))
    .setProgram(".")
    .setProject("proj")
    .setStack("dev")
    .setOrganization("org");
  request.setMonitorAddress(address).setParallel(7).setDryrun(true).setConfigsecretkeysList(["proj:s"]);
  request.getConfigMap().set("proj:a", "1");
  return request;
}

test("the program gets project, stack, configuration and secret keys, and runs in its own folder", async () => {
  const seen = join(root, "seen.json");
  const answer = await ask(
    client,
    client.run,
    program(
      `
    import * as fs from "node:fs"; import * as pulumi from "@pulumi/pulumi";
    const facts: Record<string, unknown> = { project: pulumi.getProject(), stack: pulumi.getStack(), organization: pulumi.getOrganization(), dry: pulumi.runtime.isDryRun(),
      a: new pulumi.Config().get("a"), secrets: process.env.PULUMI_CONFIG_SECRET_KEYS, parallel: process.env.PULUMI_NODEJS_PARALLEL, root: process.env.PULUMI_NODEJS_ROOT_DIRECTORY, cwd: process.cwd(), args: process.execArgv };
    fs.writeFileSync(${JSON.stringify(seen)}, JSON.stringify(facts));`,
      { nodeargs: "--no-warnings --title='a b'" },
    ),
  );
  expect({ ...answer.toObject(), output, errors: record.errors }).toEqual({
    error: "",
    bail: false,
    output: "",
    errors: [],
  });
  expect(JSON.parse(readFileSync(seen, "utf8"))).toEqual({
    project: "proj",
    stack: "dev",
    organization: "org",
    dry: true,
    a: "1",
    secrets: '["proj:s"]',
    parallel: "7",
    root,
    cwd: join(root, "infra"),
    args: ["--no-warnings", "--title=a b"],
  });
}, 30_000);

test("an exit code is told, and what the program wrote is passed on", async () => {
  const answer = await ask(client, client.run, program(`process.stderr.write("some last words\\n"); process.exit(7);`));
  expect(answer.toObject()).toEqual({ error: "Program exited with non-zero exit code: 7", bail: false });
  expect(output).toContain("some last words");
}, 30_000);

test("a program that runs to its end has registered its stack and its outputs", async () => {
  expect((await ask(client, client.run, program(`export const answer: number = 42;`))).toObject()).toEqual({
    error: "",
    bail: false,
  });
  expect(record.registered).toContain("pulumi:pulumi:Stack proj-dev");
  expect(record.outputs.at(-1)).toEqual({ answer: 42 });
}, 30_000);

test("an exception is reported once, by the SDK", async () => {
  expect((await ask(client, client.run, program(`throw new Error("boom");`))).toObject()).toEqual({
    error: "",
    bail: true,
  });
  expect(record.errors.at(-1)).toContain("Error: boom");
}, 30_000);

test("exit code 32 means that the user has been told", async () => {
  expect((await ask(client, client.run, program(`process.exit(32);`))).toObject()).toEqual({ error: "", bail: true });
}, 30_000);

test("typescript: false leaves TypeScript alone", async () => {
  writeFileSync(
    join(root, "infra", "index.js"),
    `process.exit(process.env.PULUMI_NODEJS_TYPESCRIPT === undefined ? 32 : 1)`,
  );
  expect((await ask(client, client.run, program("syntax error", { typescript: false }))).toObject()).toEqual({
    error: "",
    bail: true,
  });
  rmSync(join(root, "infra", "index.js"));
}, 30_000);

test("an option of the wrong type is refused by name", async () => {
  await expect(ask(client, client.run, program("", { typescript: "yes" }))).rejects.toMatchObject({
    details: expect.stringContaining('the runtime option "typescript" is "yes", wanted a boolean') as string,
  });
});

test("a program without the SDK is told to install it", async () => {
  const empty = mkdtempSync(join(tmpdir(), "no-sdk-"));
  const request = program("").setInfo(new pb.ProgramInfo().setProgramDirectory(empty).setRootDirectory(empty));
  await expect(ask(client, client.run, request)).rejects.toMatchObject({
    details: expect.stringContaining("Run npm install") as string,
  });
  rmSync(empty, { recursive: true });
});

test("cancel ends a program that hangs", async () => {
  const started = join(root, "started");
  const running = ask(
    client,
    client.run,
    program(
      `require("node:fs").writeFileSync(${JSON.stringify(started)}, String(process.pid)); setInterval(() => {}, 1000);`,
    ),
  );
  const pid = Number(await appears(started));
  await ask(client, client.cancel, new Empty());
  expect((await running).getError()).toBe("Program was ended by SIGKILL");
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
}, 30_000);

test("the plugins of the installed SDKs are required in their versions", async () => {
  const { version } = JSON.parse(
    readFileSync(join(REPOSITORY, "node_modules/@pulumi/docker/package.json"), "utf8"),
  ) as { version: string };
  const packages = (await ask(client, client.getRequiredPackages, new pb.GetRequiredPackagesRequest().setInfo(info())))
    .getPackagesList()
    .map((found) => `${found.getKind()} ${found.getName()} ${found.getVersion()}`);
  expect(packages).toContain(`resource docker v${version}`);
  expect(packages.map((line) => line.split(" ")[1])).toEqual(["docker", "kubernetes"]);
});

test("the dependencies are those that the program names, or all", async () => {
  const list = async (transitive: boolean): Promise<string[]> =>
    (
      await ask(
        client,
        client.getProgramDependencies,
        new pb.GetProgramDependenciesRequest().setInfo(info()).setTransitivedependencies(transitive),
      )
    )
      .getDependenciesList()
      .map((each) => each.getName());
  expect(await list(false)).toEqual(["@pulumi/docker", "@pulumi/pulumi"]);
  expect(await list(true)).toContain("typescript");
});

test("about tells the node that runs programs", async () => {
  expect((await ask(client, client.about, new pb.AboutRequest())).toObject()).toMatchObject({
    executable: process.execPath,
    version: process.version,
  });
});

/** The content of a file once it is there; the test's own deadline ends a vain wait. */
async function appears(path: string): Promise<string> {
  for (;;) {
    try {
      return readFileSync(path, "utf8");
    } catch {
      await new Promise((accept) => setTimeout(accept, 50));
    }
  }
}

test("a policy pack runs by the SDK's runner of packs, in its own folder, with the engine's address first", async () => {
  const pack = join(root, "pack");
  mkdirSync(pack);
  writeFileSync(join(pack, "package.json"), JSON.stringify({ name: "pack", version: "1.0.0" }));
  writeFileSync(join(pack, "index.ts"), "const where: string = process.cwd(); console.log(`pack in ${where}`);");
  const request = new pb.RunPluginRequest()
    .setKind("analyzer")
    .setPwd(root)
    .setArgsList([address])
    .setInfo(
      new pb.ProgramInfo()
        .setRootDirectory(pack)
        .setProgramDirectory(pack)
        .setEntryPoint(".")
        .setOptions(Struct.fromJavaScript({})),
    );
  const answers: pb.RunPluginResponse[] = [];
  await new Promise<void>((accept, fail) => {
    client
      .runPlugin(request)
      .on("data", (answer: pb.RunPluginResponse) => answers.push(answer))
      .on("end", accept)
      .on("error", fail);
  });
  const said = answers.map((answer) => Buffer.from(answer.getStdout_asU8()).toString()).join("");
  expect([said, answers.at(-1)!.getExitcode()]).toEqual([`pack in ${pack}\n`, 0]);
}, 30_000);
