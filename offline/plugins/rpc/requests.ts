/** Requests and answers of a resource provider as plain objects. */
import type { ValueMap } from "./values";

/** What every request about one resource carries. */
export interface ResourceRequest {
  urn: string;
  /** Last part of the URN: the name that the program gave. */
  name: string;
  /** Type token, e.g. `docker:index/image:Image`. */
  type: string;
}

export interface HandshakeRequest {
  /** Address of the engine's gRPC service. */
  engineAddress: string;
  rootDirectory?: string;
  programDirectory?: string;
}

export interface ConfigureRequest {
  /** Configuration with the provider's namespace in front (`docker:config:host`); secrets in clear. Prefer `args`. */
  variables: Record<string, string>;
  /** The provider's checked inputs. Nested values arrive as JSON text, secrets marked. */
  args: ValueMap;
}

export interface CheckRequest extends ResourceRequest {
  /** The inputs of the last operation; empty for a resource that is new. */
  olds: ValueMap;
  /** The program's inputs. */
  news: ValueMap;
  /** Bytes for names that must stay the same when a plan is carried out; empty when the engine has none. */
  randomSeed: Uint8Array;
  /** The engine's wish for an automatic name; absent unless the plugin supports it and the user configured it. */
  autonaming?: { proposedName: string; mode: "propose" | "enforce" | "disable" };
}
export interface CheckFailure {
  /** Path of the property, or "". */
  property: string;
  reason: string;
}
export interface CheckResult {
  /** The inputs with defaults, as they are stored and given to the other operations. */
  inputs: ValueMap;
  failures?: CheckFailure[];
}

export interface DiffRequest extends ResourceRequest {
  id: string;
  /** Outputs of the last operation. */
  olds: ValueMap;
  /** Inputs of the last operation. */
  oldInputs: ValueMap;
  /** The new, checked inputs. */
  news: ValueMap;
  /** Paths whose changes the program wants ignored. The engine has applied them to `news` already. */
  ignoreChanges: string[];
}
export type DiffKind = "add" | "add-replace" | "delete" | "delete-replace" | "update" | "update-replace";
export interface DiffResult {
  changes: boolean;
  /** Top-level properties that differ; derived from `detailed` when absent. */
  diffs?: string[];
  /** Properties that force a replacement. */
  replaces?: string[];
  /** Properties that a change leaves as they are. */
  stables?: string[];
  /** Delete the old resource before the new one is made. Default false. */
  deleteBeforeReplace?: boolean;
  /** Kind of change by path (see `formatPath`). `inputDiff` compares inputs instead of old outputs with new inputs. */
  detailed?: Record<string, { kind: DiffKind; inputDiff?: boolean }>;
}

interface Timed {
  /** Seconds that the program allows by `customTimeouts`; 0 for the plugin's own default. */
  timeout: number;
}
export interface CreateRequest extends ResourceRequest, Timed {
  properties: ValueMap;
  /** A preview: nothing may be made; answer what would be known, with `UNKNOWN` for the rest. */
  preview: boolean;
}
export interface CreateResult {
  id: string;
  properties: ValueMap;
}

export interface UpdateRequest extends DiffRequest, Timed {
  preview: boolean;
}
export interface UpdateResult {
  properties: ValueMap;
}

export interface ReadRequest extends ResourceRequest, Timed {
  id: string;
  /** Last known outputs; empty when the resource is imported. */
  properties: ValueMap;
  /** Last known inputs; empty when the resource is imported. */
  inputs: ValueMap;
}
/** Without `id` the resource is gone. */
export type ReadResult = { id: string; properties: ValueMap; inputs: ValueMap } | { id?: undefined };

export interface DeleteRequest extends ResourceRequest, Timed {
  id: string;
  properties: ValueMap;
  oldInputs: ValueMap;
}

export interface InvokeRequest {
  /** Function token, e.g. `kubernetes:yaml:decode`. */
  token: string;
  args: ValueMap;
}
export interface InvokeResult {
  result?: ValueMap;
  failures?: CheckFailure[];
}
