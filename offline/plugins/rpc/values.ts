/**
 * Property values of the Pulumi wire protocol as plain JavaScript values.
 *
 * On the wire they are a protobuf `Struct`, in which a secret, an asset and so on are objects that carry a signature,
 * and an unknown value is one of seven fixed strings. Here each of them is a marker class, so that
 * code that forgets about them fails visibly instead of taking a signature for data.
 */
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";

/** Anything that a property can hold. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Value[]
  | ValueMap
  | Secret
  | Unknown
  | Asset
  | Archive
  | OutputValue
  | ResourceReference;
/** The properties of a resource, or an object inside them. A key whose value is `undefined` counts as absent. */
export interface ValueMap {
  [key: string]: Value | undefined;
}
/** A value without markers, as it comes out of `unwrap` when nothing in it is unknown. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain | undefined };

/** A value that must be encrypted in the state and never be shown. */
export class Secret {
  constructor(readonly value: Value) {}
  /** Keeps a secret out of messages that print it by accident. */
  toString(): string {
    return "[secret]";
  }
  toJSON(): string {
    return "[secret]";
  }
}

/** A value that a preview does not know yet. There is one instance, `UNKNOWN`. */
export class Unknown {
  toString(): string {
    return "[unknown]";
  }
}
export const UNKNOWN = new Unknown();

/** One file given by path, text or URI; exactly one of them is set (`hash` is added by the engine). */
export class Asset {
  constructor(readonly fields: { path?: string; text?: string; uri?: string; hash?: string }) {}
}

/** A folder or packed archive given by path or URI, or put together from `assets`. */
export class Archive {
  constructor(readonly fields: { path?: string; uri?: string; hash?: string; assets?: Record<string, Value> }) {}
}

/** An output with its facts; only sent to a plugin that said `acceptOutputs`. `value === undefined` means unknown. */
export class OutputValue {
  constructor(
    readonly value: Value | undefined,
    readonly secret: boolean,
    readonly dependencies: string[],
  ) {}
}

/** A reference to a resource; only sent to a plugin that said `acceptResources`. */
export class ResourceReference {
  constructor(
    readonly urn: string,
    readonly id: Value | undefined,
    readonly packageVersion: string,
  ) {}
}

/** What stands for an unknown string on the wire; also the id of a resource that a preview would create. */
export const UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const UNKNOWN_STRINGS: ReadonlySet<string> = new Set([
  UNKNOWN_STRING,
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", // boolean
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421", // number
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", // array
  "030794c1-ac77-496b-92df-f27374a8bd58", // asset
  "e48ece36-62e2-4504-bad9-02848725956a", // archive
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff", // object
]);

const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SIGNATURES = {
  secret: "1b47061264138c4ac30d75fd1eb44270",
  asset: "c44067f5952c0a294b673a41bacd8c17",
  archive: "0def7320c3a5731c473e5ecbe6d01bc7",
  resource: "5cf8f73096256a8f31e491e813e4eb8e",
  output: "d0e6a833031e9bbcd3f4e8bde6ca49a4",
} as const;

/** The properties in a `Struct`; no `Struct` gives no properties. */
export function decodeStruct(struct: Struct | undefined): ValueMap {
  return struct ? decodeMap(struct.toJavaScript()) : {};
}

/** A `Struct` of the properties. Absent keys are left out. */
export function encodeStruct(properties: ValueMap): Struct {
  return Struct.fromJavaScript(encodeMap(properties));
}

/** Whether `value` is an object without a marker class. */
export function isMap(value: Value | undefined): value is ValueMap {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.getPrototypeOf(value) === Object.prototype
  );
}

/** The value without `Secret` and known `OutputValue` wrappers, at every depth. Unknown values become `UNKNOWN`. */
export function unwrap(value: Value | undefined): Value {
  if (value === undefined) return null;
  if (value instanceof Secret) return unwrap(value.value);
  if (value instanceof OutputValue) return value.value === undefined ? UNKNOWN : unwrap(value.value);
  if (Array.isArray(value)) return value.map(unwrap);
  return isMap(value) ? unwrapMap(value) : value;
}

/** `unwrap` for a whole set of properties. */
export function unwrapMap(properties: ValueMap): ValueMap {
  return mapEntries(properties, unwrap);
}

/**
 * Whether two values are the same once secrets are unwrapped. A key that is absent equals one whose value is
 * `undefined`.
 */
export function equal(left: Value | undefined, right: Value | undefined): boolean {
  const [a, b] = [bareOf(left), bareOf(right)];
  if (a === b) return true;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((element, index) => equal(element, b[index]));
  if (a instanceof Asset || a instanceof Archive)
    return b instanceof Object && a.constructor === b.constructor && equal(a.fields, (b as typeof a).fields);
  if (a instanceof ResourceReference) return b instanceof ResourceReference && a.urn === b.urn && equal(a.id, b.id);
  return (
    isMap(a) && isMap(b) && [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => equal(a[key], b[key]))
  );
}

function bareOf(value: Value | undefined): Value | undefined {
  if (value instanceof Secret) return bareOf(value.value);
  if (value instanceof OutputValue) return value.value === undefined ? UNKNOWN : bareOf(value.value);
  return value;
}

/** Whether anything in the value is unknown. */
export function containsUnknown(value: Value | undefined): boolean {
  if (value instanceof Unknown || (value instanceof OutputValue && value.value === undefined)) return true;
  return children(value).some(containsUnknown);
}

/** Whether anything in the value is secret. */
export function containsSecret(value: Value | undefined): boolean {
  if (value instanceof Secret || (value instanceof OutputValue && value.secret)) return true;
  return children(value).some(containsSecret);
}

function children(value: Value | undefined): (Value | undefined)[] {
  if (value instanceof Secret || value instanceof OutputValue) return [value.value];
  if (value instanceof Archive) return Object.values(value.fields.assets ?? {});
  if (Array.isArray(value)) return value;
  return isMap(value) ? Object.values(value) : [];
}

/** A new map with `change` applied to each present value. */
export function mapEntries(properties: ValueMap, change: (value: Value, key: string) => Value): ValueMap {
  const changed: ValueMap = {};
  for (const [key, value] of Object.entries(properties)) if (value !== undefined) changed[key] = change(value, key);
  return changed;
}

type WireMap = Record<string, JavaScriptValue>;

function decodeMap(wire: WireMap): ValueMap {
  const decoded: ValueMap = {};
  for (const [key, value] of Object.entries(wire)) decoded[key] = decode(value);
  return decoded;
}

function decode(wire: JavaScriptValue | undefined): Value {
  if (wire === null || wire === undefined) return null;
  if (typeof wire === "string") return UNKNOWN_STRINGS.has(wire) ? UNKNOWN : wire;
  if (Array.isArray(wire)) return wire.map(decode);
  return typeof wire === "object" ? decodeObject(wire as WireMap) : wire;
}

function decodeObject(wire: WireMap): Value {
  const { [SIGNATURE_KEY]: signature, ...fields } = wire;
  const text = (key: string): string => (typeof fields[key] === "string" ? fields[key] : "");
  switch (signature) {
    case undefined:
      return decodeMap(wire);
    case SIGNATURES.secret:
      return new Secret(decode(fields.value));
    case SIGNATURES.asset:
      return new Asset(fields);
    case SIGNATURES.archive:
      return new Archive({
        ...fields,
        ...(fields.assets ? { assets: decodeMap(fields.assets as WireMap) as Record<string, Value> } : {}),
      });
    case SIGNATURES.resource:
      return new ResourceReference(
        text("urn"),
        fields.id === undefined ? undefined : decode(fields.id),
        text("packageVersion"),
      );
    case SIGNATURES.output:
      return new OutputValue(
        fields.value === undefined ? undefined : decode(fields.value),
        fields.secret === true,
        (fields.dependencies ?? []) as string[],
      );
    default:
      throw new Error(`a property has the unknown signature ${JSON.stringify(signature)}`);
  }
}

function encodeMap(properties: ValueMap): WireMap {
  const wire: WireMap = {};
  for (const [key, value] of Object.entries(properties)) if (value !== undefined) wire[key] = encode(value);
  return wire;
}

function encode(value: Value): JavaScriptValue {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((element) => encode(element));
  if (value instanceof Unknown) return UNKNOWN_STRING;
  if (value instanceof Secret) return signed(SIGNATURES.secret, { value: value.value });
  if (value instanceof Asset) return signed(SIGNATURES.asset, value.fields);
  if (value instanceof Archive) return signed(SIGNATURES.archive, value.fields);
  if (value instanceof ResourceReference)
    return signed(SIGNATURES.resource, { urn: value.urn, id: value.id, packageVersion: value.packageVersion });
  if (value instanceof OutputValue)
    return signed(SIGNATURES.output, { value: value.value, secret: value.secret, dependencies: value.dependencies });
  return encodeMap(value);
}

function signed(signature: string, fields: ValueMap): WireMap {
  return { ...encodeMap(fields), [SIGNATURE_KEY]: signature };
}
