import * as fc from "fast-check";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import {
  Archive,
  Asset,
  containsSecret,
  containsUnknown,
  decodeStruct,
  encodeStruct,
  equal,
  formatPath,
  markSecretsLike,
  OutputValue,
  Secret,
  secretPaths,
  UNKNOWN,
  unwrapMap,
  valueAt,
  type Value,
} from "..";

/** Google's Struct cannot hold the key `__proto__`. */
const keys = fc.string().filter((key) => key !== "__proto__");

const values: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom<Value>(
      null,
      true,
      false,
      UNKNOWN,
      new Asset({ text: "a" }),
      new Asset({ path: "/p" }),
      new Archive({ path: "/q" }),
    ),
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(keys, tie("value"), { maxKeys: 4 }).map((map) => ({ ...map })),
    tie("value").map((value) => new Secret(value)),
    tie("value").map((value) => new OutputValue(value, true, ["urn:x"])),
  ),
})).value;

test("whatever is encoded comes back from the wire the same", () => {
  fc.assert(
    fc.property(
      fc.dictionary(keys, values).map((map) => ({ ...map })),
      (properties) => {
        const wire = encodeStruct(properties).serializeBinary();
        expect(decodeStruct(Struct.deserializeBinary(wire))).toEqual(properties);
      },
    ),
  );
});

test("a secret does not show itself in text or JSON", () => {
  const secret = new Secret("pass");
  expect(`${secret.toString()} ${JSON.stringify({ secret })}`).toBe('[secret] {"secret":"[secret]"}');
});

test("unknown and secret values are found at any depth", () => {
  const properties = { a: [{ b: new Secret({ c: UNKNOWN }) }] };
  expect(containsUnknown(properties)).toBe(true);
  expect(containsSecret(properties)).toBe(true);
  expect(containsUnknown(unwrapMap({ a: new Secret("x") }))).toBe(false);
  expect(secretPaths(properties).map(formatPath)).toEqual(["a[0].b"]);
});

test.each([
  [["metadata", "labels", "app.kubernetes.io/name"], 'metadata.labels["app.kubernetes.io/name"]'],
  [["ports", 0, "internal"], "ports[0].internal"],
  [["a b"], '["a b"]'],
])("the path %j is written %s", (path, text) => {
  expect(formatPath(path)).toBe(text);
});

test("values are looked up through secrets", () => {
  expect(valueAt({ a: new Secret([{ b: 1 }]) }, ["a", 0, "b"])).toBe(1);
  expect(valueAt({ a: 1 }, ["toString"])).toBeUndefined();
});

test("outputs get the marks of the inputs back", () => {
  const inputs = { user: "u", password: new Secret("p"), envs: ["A=1", new Secret("B=2")] };
  expect(markSecretsLike({ user: "u", password: "p", envs: ["A=1", "B=2"], id: "i" }, inputs)).toEqual({
    user: "u",
    password: new Secret("p"),
    envs: ["A=1", new Secret("B=2")],
    id: "i",
  });
});

test("a list of another length than the input is secret as a whole when an element was", () => {
  expect(markSecretsLike({ envs: ["B=2"] }, { envs: ["A=1", new Secret("B=2")] })).toEqual({
    envs: new Secret(["B=2"]),
  });
});

test("two values are equal when they differ in marks only", () => {
  expect(equal({ a: new Secret([1]), b: undefined }, { a: [1] })).toBe(true);
  expect(equal(new Secret("a"), new Secret("b"))).toBe(false);
  expect(equal({ a: null }, {})).toBe(false);
});
