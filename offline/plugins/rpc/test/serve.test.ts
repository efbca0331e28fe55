import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { credentials, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { decodeStruct, encodeStruct, Secret, UNKNOWN } from "..";
import { bind } from "../process";
import { ask, refusal } from "./ask";

const URN = "urn:pulumi:dev::proj::a:b:C$docker:index/image:Image::my::name";
const messages: LogRequest.AsObject[] = [];
let engine: Server;
let plugin: ChildProcess;
let client: ResourceProviderClient;

beforeAll(async () => {
  engine = new Server();
  engine.addService(EngineService, {
    log: (call: { request: LogRequest }, answer: (error: null, empty: Empty) => void) => {
      messages.push(call.request.toObject());
      answer(null, new Empty());
    },
  });
  const port = await bind(engine, ServerCredentials.createInsecure());
  plugin = spawn(process.execPath, ["--import", "tsx", join(__dirname, "plugin.fixture.ts"), `127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: join(__dirname, "../../../.."),
  });
  const [line] = (await once(createInterface(plugin.stdout!), "line")) as [string];
  client = new ResourceProviderClient(`127.0.0.1:${line}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
}, 30_000);

afterAll(() => {
  client.close();
  engine.forceShutdown();
  plugin.kill("SIGKILL");
});

test("check gets type and name out of the URN when the engine sends none, and its failures arrive", async () => {
  const answer = await ask(
    client,
    client.check,
    new pb.CheckRequest().setUrn(URN).setNews(encodeStruct({ s: new Secret("x"), u: UNKNOWN })),
  );
  expect(decodeStruct(answer.getInputs())).toEqual({
    s: new Secret("x"),
    u: UNKNOWN,
    type: "docker:index/image:Image",
    name: "my::name",
  });
  expect(answer.getFailuresList()[0]!.toObject()).toEqual({ property: "a", reason: "because" });
});

test("a detailed diff tells kinds, replacements and the top-level properties", async () => {
  const answer = await ask(client, client.diff, new pb.DiffRequest().setUrn(URN));
  expect(answer.toObject()).toMatchObject({
    changes: pb.DiffResponse.DiffChanges.DIFF_SOME,
    diffsList: ["spec", "b"],
    replacesList: ["spec"],
    deletebeforereplace: true,
    hasdetaileddiff: true,
  });
  expect(answer.getDetaileddiffMap().get("spec.a[0]")!.getKind()).toBe(pb.PropertyDiff.Kind.UPDATE_REPLACE);
});

test("create answers large outputs with their marks, after its messages reached the engine in order", async () => {
  const answer = await ask(
    client,
    client.create,
    new pb.CreateRequest().setUrn(URN).setProperties(encodeStruct({ a: 1 })),
  );
  const outputs = decodeStruct(answer.getProperties());
  expect(outputs).toMatchObject({ a: 1, token: new Secret("t"), later: UNKNOWN });
  expect(outputs.large).toHaveLength(8 << 20);
  expect(messages.map(({ message }) => message)).toEqual([
    ...Array.from({ length: 50 }, (_none, line) => `line ${line}`),
    "take care",
  ]);
  expect(messages[0]).toMatchObject({ urn: URN, ephemeral: true });
  expect(messages.at(-1)).toMatchObject({ urn: URN, ephemeral: false, severity: 2 });
});

test("a resource that is not initialised keeps its id, outputs and reasons", async () => {
  const error = await refusal(client, client.update, new pb.UpdateRequest().setUrn(URN));
  expect(error).toMatchObject({ code: status.UNKNOWN, details: "not ready" });
  const details = Status.deserializeBinary(error.metadata.get("grpc-status-details-bin")[0] as Buffer).getDetailsList();
  const failed = details[0]!.unpack(pb.ErrorResourceInitFailed.deserializeBinary, "pulumirpc.ErrorResourceInitFailed")!;
  expect([failed.getId(), failed.getReasonsList()]).toEqual(["id-1", ["first", "second"]]);
  expect(decodeStruct(failed.getProperties()).big).toHaveLength(20_000);
});

test("what has no handler is unimplemented", async () => {
  const error = await refusal(client, client.read, new pb.ReadRequest().setUrn(URN));
  expect(error).toMatchObject({ code: status.UNIMPLEMENTED, details: "read is not implemented" });
});

test("cancel stops what is running; SIGINT ends the process at once", async () => {
  const removal = refusal(client, client.delete, new pb.DeleteRequest().setUrn(URN));
  await ask(client, client.cancel, new Empty());
  expect(await removal).toMatchObject({ details: "cancelled" });
  plugin.kill("SIGINT");
  expect(await once(plugin, "exit")).toEqual([0, null]);
});

test("a plugin whose engine was killed ends by itself", async () => {
  const script = `const { spawn } = require("node:child_process");
    const child = spawn(process.execPath, ["--import", "tsx", ${JSON.stringify(join(__dirname, "plugin.fixture.ts"))}], { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.once("data", () => { process.stdout.write(String(child.pid) + "\\n"); });`;
  const parent = spawn(process.execPath, ["-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: join(__dirname, "../../../.."),
  });
  const [line] = (await once(createInterface(parent.stdout), "line")) as [string];
  parent.kill("SIGKILL");
  await gone(Number(line));
}, 20_000);

/** Resolves when no process has this id; the test's own deadline ends a vain wait. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
