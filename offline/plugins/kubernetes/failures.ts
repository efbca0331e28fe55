/** The words for what went wrong, and the lines below them. */
import { status } from "@grpc/grpc-js";
import { RpcError } from "../rpc/errors";
import { ApiError, UnknownKindError } from "./api-error";
import { AwaitError } from "./await/wait";

/** Message of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Further lines of an error. */
export function detailsOf(error: unknown): string[] {
  return error instanceof AwaitError ? error.details : [];
}

/** The refusal of an object that is there already although this resource did not make it. */
const WAYS_OUT = [
  "The object is in the cluster already and this resource does not own it. Ways out:",
  "  - the resource was renamed in the program: give it an alias for its old name, or deleteBeforeReplace;",
  "  - the object belongs to somebody else: manage only some of its fields by a Patch resource of the official plugin;",
  "  - the object shall belong to this stack: adopt it with `pulumi import`, or set the annotation",
  '    "pulumi.com/patchForce" to "true" or upsertExistingObjects on the provider to have it overwritten.',
].join("\n");

/** The error of a create that made nothing. */
export function createFailure(urn: string, error: unknown): Error {
  if (error instanceof UnknownKindError) {
    return new Error(
      `creation of resource "${urn}" failed because the API server does not know its kind; make sure that its CustomResourceDefinition is created before: ${error.message}`,
      { cause: error },
    );
  }
  const text = `resource "${urn}" was not successfully created by the Kubernetes API server: ${messageOf(error)}`;
  return new Error(error instanceof ApiError && error.alreadyExists ? `${text}\n${WAYS_OUT}` : text, { cause: error });
}

/** An apply error; a conflict names the other manager and tells where to read on. */
export function applyFailure(error: unknown, fieldManager: string): unknown {
  if (!(error instanceof ApiError) || !error.conflict) return error;
  return new ApiError(
    error.code,
    error.reason,
    [
      "server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources for troubleshooting help",
      `The resource managed by field manager "${fieldManager}" had an apply conflict: ${error.message}`,
    ].join("\n"),
    error.body,
  );
}

/** The error of a read or delete without a cluster. */
export function unreachableFailure(reason: string): RpcError {
  return new RpcError(
    status.FAILED_PRECONDITION,
    `configured Kubernetes cluster is unreachable: ${reason}. If the cluster was deleted, ` +
      'rerun the command with the environment variable PULUMI_K8S_DELETE_UNREACHABLE set to "true" to remove its resources from the state',
  );
}
