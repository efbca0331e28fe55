/** Errors in the form in which the engine understands them. */
import { Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { encodeStruct, type ValueMap } from "./values";

/** An error with a gRPC code. Any other error that a handler throws is sent as UNKNOWN with its message. */
export class RpcError extends Error {
  constructor(
    readonly code: status,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "RpcError";
  }
}

/** What is known of a resource that exists but did not become what it should. */
export interface InitFailure {
  /** Id of the resource that was created or updated. */
  id: string;
  /** Its outputs; the engine stores them, so that the resource is not lost. */
  properties: ValueMap;
  /** The inputs to store; without them the engine keeps those of the request. */
  inputs?: ValueMap;
  /** What is wrong, one reason each; shown to the user and kept in the state as init errors. */
  reasons: string[];
}

/**
 * A resource was created, updated or read but is not initialised, e.g. a pod that does not become ready. The engine
 * keeps it in the state with the reasons, fails the operation, and updates it the next time.
 */
export class InitFailedError extends Error {
  constructor(
    message: string,
    readonly failure: InitFailure,
  ) {
    super(message);
    this.name = "InitFailedError";
  }
}

/** The answer to something that this plugin leaves to the official one. */
export function notImplemented(what: string): RpcError {
  return new RpcError(
    status.UNIMPLEMENTED,
    `${what} is not implemented by the registry-only plugin; use the official plugin for it`,
  );
}

/** The error as gRPC sends it. */
export function toServiceError(error: unknown): Partial<ServiceError> {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof InitFailedError)
    return { code: status.UNKNOWN, details: message, metadata: initFailedMetadata(message, error.failure) };
  return { code: error instanceof RpcError ? error.code : status.UNKNOWN, details: message };
}

/**
 * Structured details travel as a serialized `google.rpc.Status` under this key, as gRPC's Go implementation reads them.
 */
const DETAILS_KEY = "grpc-status-details-bin";

function initFailedMetadata(message: string, failure: InitFailure): Metadata {
  const detail = new ErrorResourceInitFailed();
  detail.setId(failure.id);
  detail.setProperties(encodeStruct(failure.properties));
  detail.setReasonsList(failure.reasons);
  if (failure.inputs) detail.setInputs(encodeStruct(failure.inputs));
  const any = new Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const full = new Status();
  full.setCode(status.UNKNOWN);
  full.setMessage(message);
  full.addDetails(any);
  const metadata = new Metadata();
  metadata.add(DETAILS_KEY, Buffer.from(full.serializeBinary()));
  return metadata;
}
