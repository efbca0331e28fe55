/** What is kept in the state: the live object, the inputs it was made of, and what stays secret. */
import { markSecretsLike } from "../rpc/paths";
import { isMap, mapEntries, Secret, unwrap, unwrapMap, type Value, type ValueMap } from "../rpc/values";
import { kindOf } from "./objects";
import { isSecretObject, withoutNulls } from "./normalize";

/** What `checkpoint` puts together. */
export interface CheckpointParts {
  live: ValueMap;
  /** Inputs without secret markers. */
  inputs: ValueMap;
  /** Inputs or older state whose secret markers are to be kept. */
  secretsOf: ValueMap;
  initialApiVersion: string;
  fieldManager: string;
}

/** The outputs to store. */
export function checkpoint({ live, inputs, secretsOf, initialApiVersion, fieldManager }: CheckpointParts): ValueMap {
  return {
    ...keepSecrets(toProgram(live), secretsOf),
    __inputs: keepSecrets(toProgram(inputs), secretsOf),
    __initialApiVersion: initialApiVersion,
    __fieldManager: fieldManager,
  };
}

/** Stored outputs taken apart again, without markers. */
export function parseCheckpoint(outputs: ValueMap): {
  inputs: ValueMap;
  live: ValueMap;
  fieldManager?: string;
  initialApiVersion?: string;
} {
  const { __inputs, __initialApiVersion, __fieldManager, ...live } = unwrapMap(outputs);
  return {
    inputs: toServer(isMap(__inputs) ? withoutNulls(__inputs) : {}),
    live: toServer(live),
    ...(typeof __fieldManager === "string" ? { fieldManager: __fieldManager } : {}),
    ...(typeof __initialApiVersion === "string" ? { initialApiVersion: __initialApiVersion } : {}),
  };
}

/** Inputs of a request as an object for the API server: without markers and nulls. Unknown values stay `Unknown`. */
export function toObject(inputs: ValueMap): ValueMap {
  return toServer(withoutNulls(unwrapMap(inputs)));
}

/** The object with the secret markers of its source; the contents of a Secret are secret in any case. */
export function keepSecrets(object: ValueMap, source: ValueMap): ValueMap {
  const marked = markSecretsLike(object, source);
  if (!isSecretObject(object)) return marked;
  for (const field of ["data", "stringData"])
    if (marked[field] !== undefined) marked[field] = new Secret(unwrap(marked[field]));
  return marked;
}

/** The SDK writes `x-kubernetes-...` fields of a CRD's schema with underscores. */
function toServer(object: ValueMap): ValueMap {
  return kindOf(object) === "CustomResourceDefinition" ? renameKeys(object, /^x_kubernetes_/, "_", "-") : object;
}

function toProgram(object: ValueMap): ValueMap {
  return kindOf(object) === "CustomResourceDefinition" ? renameKeys(object, /^x-kubernetes-/, "-", "_") : object;
}

function renameKeys(map: ValueMap, pattern: RegExp, from: string, to: string): ValueMap {
  const rename = (value: Value): Value =>
    Array.isArray(value) ? value.map(rename) : isMap(value) ? renameKeys(value, pattern, from, to) : value;
  const renamed = Object.entries(map).map(([key, value]) => [
    pattern.test(key) ? key.replaceAll(from, to) : key,
    value,
  ]);
  return mapEntries(Object.fromEntries(renamed) as ValueMap, rename);
}
