/** The engine's side of a program's run: enough of monitor and engine that the SDK runs a program without resources. */
import { Server, ServerCredentials, type sendUnaryData, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import {
  GetRootResourceResponse,
  LogSeverity,
  SetRootResourceResponse,
  type LogRequest,
} from "@pulumi/pulumi/proto/engine_pb";
import { ResourceMonitorService } from "@pulumi/pulumi/proto/resource_grpc_pb";
import {
  RegisterResourceResponse,
  SupportsFeatureResponse,
  type RegisterResourceOutputsRequest,
  type RegisterResourceRequest,
} from "@pulumi/pulumi/proto/resource_pb";
import { bind } from "../../plugins/rpc/process";

export interface EngineRecord {
  registered: string[];
  outputs: unknown[];
  errors: string[];
}

/** Serves both on one port and keeps what they are told. */
export async function startEngine(): Promise<{ engine: Server; address: string; record: EngineRecord }> {
  const record: EngineRecord = { registered: [], outputs: [], errors: [] };
  const engine = new Server();
  const answering =
    <Request>(answer: (request: Request) => unknown) =>
    (call: { request: Request }, callback: sendUnaryData<unknown>): void => {
      callback(null, answer(call.request));
    };
  engine.addService(EngineService, {
    log: answering((request: LogRequest) => {
      if (request.getSeverity() === LogSeverity.ERROR) record.errors.push(request.getMessage());
      return new Empty();
    }),
    getRootResource: answering(() => new GetRootResourceResponse()),
    setRootResource: answering(() => new SetRootResourceResponse()),
  } as UntypedServiceImplementation);
  engine.addService(ResourceMonitorService, {
    supportsFeature: answering(() => new SupportsFeatureResponse()),
    registerResource: answering((request: RegisterResourceRequest) => {
      record.registered.push(`${request.getType()} ${request.getName()}`);
      return new RegisterResourceResponse().setUrn(`urn:pulumi:dev::proj::${request.getType()}::${request.getName()}`);
    }),
    registerResourceOutputs: answering((request: RegisterResourceOutputsRequest) => {
      record.outputs.push(request.getOutputs()?.toJavaScript());
      return new Empty();
    }),
    signalAndWaitForShutdown: answering(() => new Empty()),
  } as UntypedServiceImplementation);
  return { engine, address: `127.0.0.1:${await bind(engine, ServerCredentials.createInsecure())}`, record };
}
