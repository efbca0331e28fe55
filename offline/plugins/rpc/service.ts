/** The ResourceProvider service on top of handlers that know plain objects only. */
import { status, type sendUnaryData, type ServerUnaryCall, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import type { Engine, ResourceLog } from "./engine";
import { RpcError, toServiceError } from "./errors";
import * as decode from "./decode";
import * as encode from "./encode";
import { equal } from "./values";
import type {
  CheckRequest,
  CheckResult,
  ConfigureRequest,
  CreateRequest,
  CreateResult,
  DeleteRequest,
  DiffRequest,
  DiffResult,
  HandshakeRequest,
  InvokeRequest,
  InvokeResult,
  ReadRequest,
  ReadResult,
  UpdateRequest,
  UpdateResult,
} from "./requests";

/** What a handler gets beside its request. */
export interface Context {
  /** Messages about the resource of this request. */
  log: ResourceLog;
  engine: Engine;
  /** Fires when the engine cancels (the user's Ctrl-C), when it gives up this call, or when the plugin must end. */
  signal: AbortSignal;
}
type Handler<Request, Result> = (request: Request, context: Context) => Promise<Result> | Result;

/**
 * What a plugin can do. A handler that is absent answers UNIMPLEMENTED, apart from the ones for which the comment
 * tells another default. Thrown errors: see errors.ts.
 */
export interface ProviderHandlers {
  /** Default: accepts secrets. */
  handshake?: Handler<HandshakeRequest, void>;
  /** Default: `{}`. Text of the package schema. */
  getSchema?: Handler<{ version: number }, string>;
  /** Default: the inputs as they are. */
  checkConfig?: Handler<CheckRequest, CheckResult>;
  /** Default: a difference in a top-level property is a change without replacement. */
  diffConfig?: Handler<DiffRequest, DiffResult>;
  /** Default: nothing to do. */
  configure?: Handler<ConfigureRequest, void>;
  check?: Handler<CheckRequest, CheckResult>;
  diff?: Handler<DiffRequest, DiffResult>;
  create?: Handler<CreateRequest, CreateResult>;
  read?: Handler<ReadRequest, ReadResult>;
  update?: Handler<UpdateRequest, UpdateResult>;
  delete?: Handler<DeleteRequest, void>;
  invoke?: Handler<InvokeRequest, InvokeResult>;
  /** Called beside the abort of every context's signal. */
  cancel?: () => Promise<void> | void;
}

/** What the service needs of the process that runs it. */
export interface Host {
  engine(): Engine;
  /** The engine told another address of itself. */
  attach(address: string): void;
  /** Fires when all work must stop. */
  stop: AbortController;
}

/** The gRPC implementation of `handlers`. */
export function implement(version: string, handlers: ProviderHandlers, host: Host): UntypedServiceImplementation {
  const call = caller(host);
  const empty = (): Empty => new Empty();
  const implemented = {
    handshake: call("handshake", decode.handshake, handlers.handshake ?? nothing, encode.handshake),
    attach: call(
      "attach",
      (request: { getAddress(): string }) => request.getAddress(),
      (address) => {
        host.attach(address);
      },
      empty,
    ),
    getPluginInfo: call(
      "getPluginInfo",
      none,
      () => version,
      (text) => new PluginInfo().setVersion(text),
    ),
    getSchema: call("getSchema", decode.getSchema, handlers.getSchema ?? (() => "{}"), (schema) =>
      new pb.GetSchemaResponse().setSchema(schema),
    ),
    checkConfig: call(
      "checkConfig",
      decode.check,
      handlers.checkConfig ?? (({ news }) => ({ inputs: news })),
      encode.check,
    ),
    diffConfig: call("diffConfig", decode.diff, handlers.diffConfig ?? shallowDiff, encode.diff),
    configure: call("configure", decode.configure, handlers.configure ?? nothing, encode.configure),
    check: call("check", decode.check, handlers.check, encode.check),
    diff: call("diff", decode.diff, handlers.diff, encode.diff),
    create: call("create", decode.create, handlers.create, encode.create),
    read: call("read", decode.read, handlers.read, encode.read),
    update: call("update", decode.update, handlers.update, encode.update),
    delete: call("delete", decode.remove, handlers.delete, empty),
    invoke: call("invoke", decode.invoke, handlers.invoke, encode.invoke),
    cancel: call(
      "cancel",
      none,
      async () => {
        host.stop.abort(new Error("cancelled"));
        await handlers.cancel?.();
      },
      empty,
    ),
  };
  const others = Object.keys(ResourceProviderService).filter((name) => !(name in implemented));
  return { ...implemented, ...Object.fromEntries(others.map((name) => [name, refuse(name)])) };
}

function nothing(): void {
  /* the default of an operation that need not do anything */
}
function none(): undefined {
  return undefined;
}

function shallowDiff({ olds, news }: DiffRequest): DiffResult {
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])];
  const diffs = keys.filter((key) => !equal(olds[key], news[key]));
  return { changes: diffs.length > 0, diffs };
}

type Unary<Wire, Answer> = (call: ServerUnaryCall<Wire, Answer>, callback: sendUnaryData<Answer>) => void;

function caller(host: Host) {
  return <Wire, Request, Result, Answer>(
      name: string,
      decodeRequest: (wire: Wire) => Request,
      handler: Handler<Request, Result> | undefined,
      encodeResult: (result: Result) => Answer,
    ): Unary<Wire, Answer> =>
    (call, callback) => {
      const given = new AbortController();
      call.on("cancelled", () => {
        given.abort(new Error("the engine gave up the call"));
      });
      const answer = async (): Promise<Answer> => {
        if (!handler) throw unimplemented(name);
        const request = decodeRequest(call.request);
        const engine = host.engine();
        const context: Context = {
          engine,
          log: engine.logFor(urnOf(request)),
          signal: AbortSignal.any([host.stop.signal, given.signal]),
        };
        try {
          return encodeResult(await handler(request, context));
        } finally {
          await engine.flush();
        }
      };
      answer().then(
        (value) => {
          callback(null, value);
        },
        (error: unknown) => {
          callback(toServiceError(error));
        },
      );
    };
}

function urnOf(request: unknown): string {
  return typeof request === "object" && request !== null && "urn" in request ? String(request.urn) : "";
}

function refuse(name: string): Unary<unknown, unknown> {
  return (_call, callback) => {
    callback(toServiceError(unimplemented(name)));
  };
}

function unimplemented(name: string): RpcError {
  return new RpcError(status.UNIMPLEMENTED, `${name} is not implemented`);
}
