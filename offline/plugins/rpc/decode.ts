/** From protobuf requests to plain ones. */
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import type {
  CheckRequest,
  ConfigureRequest,
  CreateRequest,
  DeleteRequest,
  DiffRequest,
  HandshakeRequest,
  InvokeRequest,
  ReadRequest,
  ResourceRequest,
  UpdateRequest,
} from "./requests";
import { decodeStruct } from "./values";

export function handshake(wire: pb.ProviderHandshakeRequest): HandshakeRequest {
  return {
    engineAddress: wire.getEngineAddress(),
    rootDirectory: wire.getRootDirectory(),
    programDirectory: wire.getProgramDirectory(),
  };
}

export function getSchema(wire: pb.GetSchemaRequest): { version: number } {
  return { version: wire.getVersion() };
}

export function configure(wire: pb.ConfigureRequest): ConfigureRequest {
  return { variables: Object.fromEntries(wire.getVariablesMap().getEntryList()), args: decodeStruct(wire.getArgs()) };
}

const AUTONAMING_MODES = ["propose", "enforce", "disable"] as const;

export function check(wire: pb.CheckRequest): CheckRequest {
  const naming = wire.getAutonaming();
  return {
    ...resource(wire),
    olds: decodeStruct(wire.getOlds()),
    news: decodeStruct(wire.getNews()),
    randomSeed: wire.getRandomseed_asU8(),
    ...(naming
      ? {
          autonaming: { proposedName: naming.getProposedName(), mode: AUTONAMING_MODES[naming.getMode()] ?? "propose" },
        }
      : {}),
  };
}

export function diff(wire: pb.DiffRequest | pb.UpdateRequest): DiffRequest {
  return {
    ...resource(wire),
    id: wire.getId(),
    olds: decodeStruct(wire.getOlds()),
    oldInputs: decodeStruct(wire.getOldInputs()),
    news: decodeStruct(wire.getNews()),
    ignoreChanges: wire.getIgnorechangesList(),
  };
}

export function create(wire: pb.CreateRequest): CreateRequest {
  return {
    ...resource(wire),
    properties: decodeStruct(wire.getProperties()),
    timeout: wire.getTimeout(),
    preview: wire.getPreview(),
  };
}

export function update(wire: pb.UpdateRequest): UpdateRequest {
  return { ...diff(wire), timeout: wire.getTimeout(), preview: wire.getPreview() };
}

export function read(wire: pb.ReadRequest): ReadRequest {
  return {
    ...resource(wire),
    id: wire.getId(),
    properties: decodeStruct(wire.getProperties()),
    inputs: decodeStruct(wire.getInputs()),
    timeout: wire.getTimeout(),
  };
}

export function remove(wire: pb.DeleteRequest): DeleteRequest {
  return {
    ...resource(wire),
    id: wire.getId(),
    properties: decodeStruct(wire.getProperties()),
    oldInputs: decodeStruct(wire.getOldInputs()),
    timeout: wire.getTimeout(),
  };
}

export function invoke(wire: pb.InvokeRequest): InvokeRequest {
  return { token: wire.getTok(), args: decodeStruct(wire.getArgs()) };
}

/** Engines before 3.140 send the URN only; its third part ends in the type, its last one is the name. */
function resource(wire: { getUrn(): string; getName(): string; getType(): string }): ResourceRequest {
  const urn = wire.getUrn();
  const parts = urn.split("::");
  return {
    urn,
    name: wire.getName() || parts.slice(3).join("::"),
    type: wire.getType() || (parts[2] ?? "").split("$").pop() || "",
  };
}
