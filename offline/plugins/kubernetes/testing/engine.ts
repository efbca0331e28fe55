/** The part of the Pulumi engine that a plugin sees, small enough for tests: one provider and the resources it made. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { decodeStruct, encodeStruct, type ValueMap } from "../../rpc/values";

/** A resource as the state keeps it. */
export interface StateEntry {
  type: string;
  id: string;
  inputs: ValueMap;
  outputs: ValueMap;
  initErrors: string[];
}

/** A failed call, with the reasons when the resource exists all the same. */
export class CallError extends Error {
  constructor(
    message: string,
    readonly failure?: { id: string; reasons: string[]; properties: ValueMap; inputs: ValueMap },
  ) {
    super(message);
  }
}

export type Operation = "create" | "same" | "update" | "replace" | "delete-replace";

/** The plugin as a process, configured for one cluster. */
export class TestEngine {
  readonly state = new Map<string, StateEntry>();
  /** What the plugin told the user; without an engine's address it tells that to standard error. */
  messages = "";
  private constructor(
    private readonly child: ChildProcess,
    private readonly client: ResourceProviderClient,
  ) {
    child.stderr?.on("data", (data: Buffer) => {
      this.messages += data.toString();
    });
  }

  static async start(args: ValueMap): Promise<TestEngine> {
    const child = spawn(process.execPath, ["--import", "tsx", join(__dirname, "..", "main.ts")], {
      // Jest's environment is a copy, which children get only when it is named.
      stdio: ["ignore", "pipe", "pipe"],
      env: process.env,
    });
    let noise = "";
    child.stderr?.on("data", (data: Buffer) => {
      noise += data.toString();
    });
    const lines = createInterface({ input: child.stdout! });
    const ended = once(child, "exit").then(() => {
      throw new Error(`the plugin ended: ${noise}`);
    });
    const [port] = (await Promise.race([once(lines, "line"), ended])) as [string];
    ended.catch(() => undefined);
    const engine = new TestEngine(child, new ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure()));
    await engine.call("configure", new pb.ConfigureRequest().setArgs(encodeStruct(args)).setAcceptsecrets(true));
    return engine;
  }

  /** Process id of the plugin. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Ends the plugin as nothing can be done against. */
  async kill(): Promise<void> {
    const exited = once(this.child, "exit");
    this.client.close();
    this.child.kill("SIGKILL");
    await exited;
  }

  async stop(): Promise<void> {
    const exited = once(this.child, "exit");
    this.client.close();
    this.child.kill("SIGTERM");
    await exited;
  }

  async cancel(): Promise<void> {
    await this.call("cancel", new Empty());
  }

  async check(name: string, type: string, news: ValueMap): Promise<ValueMap> {
    const request = new pb.CheckRequest()
      .setUrn(urn(name, type))
      .setNews(encodeStruct(news))
      .setOlds(encodeStruct(this.state.get(name)?.inputs ?? {}));
    const answer = await this.call<pb.CheckResponse>("check", request);
    const [failure] = answer.getFailuresList();
    if (failure) throw new CallError(failure.getReason());
    return decodeStruct(answer.getInputs());
  }

  async diff(name: string, inputs: ValueMap): Promise<pb.DiffResponse> {
    const { type, id, outputs, inputs: oldInputs } = this.entry(name);
    return this.call(
      "diff",
      new pb.DiffRequest()
        .setUrn(urn(name, type))
        .setId(id)
        .setOlds(encodeStruct(outputs))
        .setOldInputs(encodeStruct(oldInputs))
        .setNews(encodeStruct(inputs)),
    );
  }

  /** The outputs that a preview would show. */
  async preview(name: string, type: string, news: ValueMap): Promise<ValueMap> {
    const inputs = await this.check(name, type, news);
    if (!this.state.has(name)) return this.create(name, type, inputs, 0, true).then(({ outputs }) => outputs);
    return this.update(name, inputs, 0, true);
  }

  /** Brings one resource to its inputs as `pulumi up` does. */
  async up(name: string, type: string, news: ValueMap, timeout = 60): Promise<Operation> {
    const inputs = await this.check(name, type, news);
    const old = this.state.get(name);
    if (!old) {
      await this.create(name, type, inputs, timeout);
      return "create";
    }
    const diff = await this.diff(name, inputs);
    if (diff.getReplacesList().length > 0) {
      const first = diff.getDeletebeforereplace();
      if (first) await this.remove(name);
      else this.state.delete(name);
      await this.create(name, type, first ? inputs : await this.check(name, type, news), timeout);
      if (!first) await this.removeEntry(name, old);
      return first ? "delete-replace" : "replace";
    }
    if (diff.getChanges() !== pb.DiffResponse.DiffChanges.DIFF_SOME && old.initErrors.length === 0) return "same";
    this.state.set(name, { ...old, inputs, outputs: await this.update(name, inputs, timeout), initErrors: [] });
    return "update";
  }

  /** Refreshes one resource; `false` when it is gone. */
  async refresh(name: string): Promise<boolean> {
    const old = this.entry(name);
    const read = await this.read(name, old.type, old.id, old);
    if (read) this.state.set(name, { ...old, ...read, initErrors: [] });
    else this.state.delete(name);
    return read !== undefined;
  }

  /** Reads an object by its id; without `known` as an import does. */
  async read(
    name: string,
    type: string,
    id: string,
    known?: { inputs: ValueMap; outputs: ValueMap },
  ): Promise<{ inputs: ValueMap; outputs: ValueMap } | undefined> {
    const request = new pb.ReadRequest()
      .setUrn(urn(name, type))
      .setId(id)
      .setProperties(encodeStruct(known?.outputs ?? {}))
      .setInputs(encodeStruct(known?.inputs ?? {}));
    const answer = await this.call<pb.ReadResponse>("read", request);
    return answer.getId() === ""
      ? undefined
      : { inputs: decodeStruct(answer.getInputs()), outputs: decodeStruct(answer.getProperties()) };
  }

  async remove(name: string, timeout = 60): Promise<void> {
    await this.removeEntry(name, this.entry(name), timeout);
    this.state.delete(name);
  }

  async invoke(token: string): Promise<void> {
    await this.call("invoke", new pb.InvokeRequest().setTok(token));
  }

  private async removeEntry(name: string, { type, id, inputs, outputs }: StateEntry, timeout = 60): Promise<void> {
    await this.call(
      "delete",
      new pb.DeleteRequest()
        .setUrn(urn(name, type))
        .setId(id)
        .setProperties(encodeStruct(outputs))
        .setOldInputs(encodeStruct(inputs))
        .setTimeout(timeout),
    );
  }

  private async create(
    name: string,
    type: string,
    inputs: ValueMap,
    timeout: number,
    preview = false,
  ): Promise<StateEntry> {
    const request = new pb.CreateRequest()
      .setUrn(urn(name, type))
      .setProperties(encodeStruct(inputs))
      .setTimeout(timeout)
      .setPreview(preview);
    const keep = (entry: StateEntry): StateEntry => {
      if (!preview) this.state.set(name, entry);
      return entry;
    };
    try {
      const answer = await this.call<pb.CreateResponse>("create", request);
      return keep({ type, id: answer.getId(), inputs, outputs: decodeStruct(answer.getProperties()), initErrors: [] });
    } catch (error) {
      if (error instanceof CallError && error.failure)
        keep({
          type,
          id: error.failure.id,
          inputs,
          outputs: error.failure.properties,
          initErrors: error.failure.reasons,
        });
      throw error;
    }
  }

  private async update(name: string, inputs: ValueMap, timeout: number, preview = false): Promise<ValueMap> {
    const { type, id, outputs, inputs: oldInputs } = this.entry(name);
    const request = new pb.UpdateRequest()
      .setUrn(urn(name, type))
      .setId(id)
      .setOlds(encodeStruct(outputs))
      .setOldInputs(encodeStruct(oldInputs))
      .setNews(encodeStruct(inputs))
      .setTimeout(timeout)
      .setPreview(preview);
    return decodeStruct((await this.call<pb.UpdateResponse>("update", request)).getProperties());
  }

  private entry(name: string): StateEntry {
    const entry = this.state.get(name);
    if (!entry) throw new Error(`no resource ${name}`);
    return entry;
  }

  private call<Answer>(method: string, request: unknown): Promise<Answer> {
    const stub = this.client as unknown as Record<
      string,
      (request: unknown, callback: (error: ServiceError | null, answer: Answer) => void) => void
    >;
    return new Promise((resolve, reject) => {
      stub[method]!.call(this.client, request, (error, answer) => {
        if (error) reject(callError(error));
        else resolve(answer);
      });
    });
  }
}

function urn(name: string, type: string): string {
  return `urn:pulumi:s::p::${type}::${name}`;
}

function callError(error: ServiceError): CallError {
  const [details] = error.metadata.get("grpc-status-details-bin");
  if (!details) return new CallError(error.details);
  const [any] = Status.deserializeBinary(details as Buffer).getDetailsList();
  const failure = (any as Any).unpack(
    (bytes) => pb.ErrorResourceInitFailed.deserializeBinary(bytes),
    "pulumirpc.ErrorResourceInitFailed",
  );
  if (!failure) return new CallError(error.details);
  return new CallError(error.details, {
    id: failure.getId(),
    reasons: failure.getReasonsList(),
    properties: decodeStruct(failure.getProperties()),
    inputs: decodeStruct(failure.getInputs()),
  });
}
