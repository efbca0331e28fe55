/** From plain answers to protobuf ones. */
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import type {
  CheckFailure,
  CheckResult,
  CreateResult,
  DiffKind,
  DiffResult,
  InvokeResult,
  ReadResult,
  UpdateResult,
} from "./requests";
import { encodeStruct } from "./values";

/** Secrets are understood; resource references and outputs with dependencies come as plain values. */
export function handshake(): pb.ProviderHandshakeResponse {
  return new pb.ProviderHandshakeResponse().setAcceptSecrets(true);
}

/** With preview: creates and updates are called in a preview too, so that it can show what would be known. */
export function configure(): pb.ConfigureResponse {
  return new pb.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true);
}

export function check(result: CheckResult): pb.CheckResponse {
  return new pb.CheckResponse()
    .setInputs(encodeStruct(result.inputs))
    .setFailuresList((result.failures ?? []).map(failure));
}

export function diff(result: DiffResult): pb.DiffResponse {
  const { DIFF_SOME, DIFF_NONE } = pb.DiffResponse.DiffChanges;
  const response = new pb.DiffResponse().setChanges(result.changes ? DIFF_SOME : DIFF_NONE);
  const detailed = result.detailed ?? {};
  response.setDiffsList(result.diffs ?? [...new Set(Object.keys(detailed).map(topLevel))]);
  response.setReplacesList(result.replaces ?? []).setStablesList(result.stables ?? []);
  response
    .setDeletebeforereplace(result.deleteBeforeReplace ?? false)
    .setHasdetaileddiff(result.detailed !== undefined);
  for (const [path, change] of Object.entries(detailed)) {
    response
      .getDetaileddiffMap()
      .set(path, new pb.PropertyDiff().setKind(KINDS[change.kind]).setInputdiff(change.inputDiff ?? false));
  }
  return response;
}

export function create(result: CreateResult): pb.CreateResponse {
  return new pb.CreateResponse().setId(result.id).setProperties(encodeStruct(result.properties));
}

export function update(result: UpdateResult): pb.UpdateResponse {
  return new pb.UpdateResponse().setProperties(encodeStruct(result.properties));
}

export function read(result: ReadResult): pb.ReadResponse {
  const response = new pb.ReadResponse();
  if (result.id === undefined) return response;
  return response
    .setId(result.id)
    .setProperties(encodeStruct(result.properties))
    .setInputs(encodeStruct(result.inputs));
}

export function invoke(result: InvokeResult): pb.InvokeResponse {
  const response = new pb.InvokeResponse().setFailuresList((result.failures ?? []).map(failure));
  return result.result ? response.setReturn(encodeStruct(result.result)) : response;
}

const KINDS: Record<DiffKind, pb.PropertyDiff.Kind> = {
  add: pb.PropertyDiff.Kind.ADD,
  "add-replace": pb.PropertyDiff.Kind.ADD_REPLACE,
  delete: pb.PropertyDiff.Kind.DELETE,
  "delete-replace": pb.PropertyDiff.Kind.DELETE_REPLACE,
  update: pb.PropertyDiff.Kind.UPDATE,
  "update-replace": pb.PropertyDiff.Kind.UPDATE_REPLACE,
};

function topLevel(path: string): string {
  return /^[^.[]+/.exec(path)?.[0] ?? path;
}

function failure({ property, reason }: CheckFailure): pb.CheckFailure {
  return new pb.CheckFailure().setProperty(property).setReason(reason);
}
