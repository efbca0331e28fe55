import { Secret, UNKNOWN, type ValueMap } from "../rpc/values";
import { checkpoint, keepSecrets, parseCheckpoint } from "./checkpoint";
import { needsTakeOver, ownedByOthersOnly, takeOver } from "./managed-fields";
import { fieldManager, suffix, withName } from "./names";
import { normalize } from "./normalize";
import { canonicalQuantity } from "./quantity";

const request = (more = {}) => ({ name: "cm", olds: {}, randomSeed: new Uint8Array(), ...more });
const unnamed: ValueMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "n" } };

describe("names", () => {
  it("keeps a name of the program", () => {
    const named: ValueMap = { ...unnamed, metadata: { name: "mine" } };
    expect(withName(named, request())).toBe(named);
  });

  it("makes one of the resource's name and eight hexadecimal digits, and marks it", () => {
    expect(withName(unnamed, request())).toMatchObject({
      metadata: {
        name: expect.stringMatching(/^cm-[0-9a-f]{8}$/) as string,
        namespace: "n",
        annotations: { "pulumi.com/autonamed": "true" },
      },
    });
  });

  it("makes the same one in the preview and in the update that follows", () => {
    const randomSeed = new Uint8Array([1, 2, 3]);
    expect(withName(unnamed, request({ randomSeed }))).toEqual(withName(unnamed, request({ randomSeed })));
    expect(suffix(randomSeed)).not.toBe(suffix(new Uint8Array([1, 2, 4])));
  });

  it("keeps the one that was made before", () => {
    const olds = withName(unnamed, request());
    expect(withName(unnamed, request({ olds }))).toEqual(olds);
  });

  it("makes a new one when the program takes its own name away", () => {
    const olds: ValueMap = { ...unnamed, metadata: { name: "mine" } };
    expect(withName(unnamed, request({ olds }))).toMatchObject({
      metadata: { name: expect.stringMatching(/^cm-/) as string },
    });
  });

  it("follows the stack's configuration of automatic names", () => {
    expect(withName(unnamed, request({ autonaming: { proposedName: "cm-wanted", mode: "propose" } }))).toMatchObject({
      metadata: { name: "cm-wanted" },
    });
    expect(() => withName(unnamed, request({ autonaming: { proposedName: "", mode: "disable" } }))).toThrow(
      /pulumi:autonaming/,
    );
  });

  it("waits for a name that is not known yet", () => {
    const later: ValueMap = { ...unnamed, metadata: { name: UNKNOWN } };
    expect(withName(later, request())).toBe(later);
  });

  it("gives each resource a field manager and keeps it", () => {
    expect(fieldManager(unnamed)).toMatch(/^pulumi-kubernetes-[0-9a-f]{8}$/);
    expect(fieldManager(unnamed, { __fieldManager: "pulumi-kubernetes-1" })).toBe("pulumi-kubernetes-1");
    expect(
      fieldManager({ metadata: { annotations: { "pulumi.com/patchFieldManager": "me" } } }, { __fieldManager: "x" }),
    ).toBe("me");
  });
});

describe("normal form", () => {
  it.each([
    ["0.5", "500m"],
    ["1000m", "1"],
    ["1500m", "1500m"],
    ["0.1", "100m"],
    [2, "2"],
    ["1024Mi", "1Gi"],
    ["1536Mi", "1536Mi"],
    ["0.5Gi", "512Mi"],
    ["1000", "1k"],
    ["100", "100"],
    ["1e3", "1e3"],
    ["128974848", "128974848"],
    ["0", "0"],
    ["1.5Gi", "1536Mi"],
    ["2048", "2048"],
    ["1Ti", "1Ti"],
    ["not one", "not one"],
  ])("of the quantity %s is %s", (given, canonical) => {
    expect(canonicalQuantity(given)).toBe(canonical);
  });

  it("moves a secret's texts into its encoded data", () => {
    const secret = normalize({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      data: { a: "YQ==" },
      stringData: { token: "planted-1", later: UNKNOWN },
    });
    expect(secret).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      data: { a: "YQ==", token: "cGxhbnRlZC0x", later: UNKNOWN },
    });
  });

  it("has no metadata that only the API server sets", () => {
    expect(
      normalize({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "p", uid: "1", resourceVersion: "2", creationTimestamp: "x", managedFields: [{}] },
      }).metadata,
    ).toEqual({ name: "p" });
  });

  it("leaves custom resources alone", () => {
    const thing: ValueMap = {
      apiVersion: "example.com/v1",
      kind: "Thing",
      metadata: { name: "t" },
      spec: { limits: { cpu: "0.5" }, list: [] },
    };
    expect(normalize(thing)).toEqual(thing);
  });
});

describe("secrets", () => {
  const secret: ValueMap = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { token: "x" } };

  it("are the contents of every Secret, marked by the program or not", () => {
    expect(keepSecrets(secret, {}).data).toEqual(new Secret({ token: "x" }));
  });

  it("stay marked at the same path in the outputs and in the stored inputs", () => {
    const source: ValueMap = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "c" },
      data: { a: new Secret("1"), b: "2" },
    };
    const plain: ValueMap = { ...source, data: { a: "1", b: "2" } };
    const stored = checkpoint({
      live: plain,
      inputs: plain,
      secretsOf: source,
      initialApiVersion: "v1",
      fieldManager: "m",
    });
    expect(stored.data).toEqual({ a: new Secret("1"), b: "2" });
    expect(stored.__inputs).toMatchObject({ data: { a: new Secret("1"), b: "2" } });
    expect(parseCheckpoint(stored)).toEqual({ inputs: plain, live: plain, initialApiVersion: "v1", fieldManager: "m" });
  });
});

describe("field owners", () => {
  const entry = (manager: string, operation: string, fieldsV1: ValueMap, more: ValueMap = {}): ValueMap => ({
    manager,
    operation,
    fieldsV1,
    apiVersion: "v1",
    fieldsType: "FieldsV1",
    ...more,
  });
  const live = (...managedFields: ValueMap[]): ValueMap => ({ metadata: { name: "a", managedFields } });

  it("hand the fields of the plain create to the apply manager", () => {
    const object = live(
      entry("pulumi-kubernetes", "Update", { "f:data": { "f:a": {} } }),
      entry("ours", "Apply", { "f:data": { "f:b": {} } }),
      entry("kubelet", "Update", { "f:status": {} }, { subresource: "status" }),
    );
    expect(takeOver(object, "ours")).toEqual([
      entry("kubelet", "Update", { "f:status": {} }, { subresource: "status" }),
      entry("ours", "Apply", { "f:data": { "f:a": {}, "f:b": {} } }),
    ]);
  });

  it("stay when there is nothing to take over, a scale by kubectl included", () => {
    const object = live(
      entry("ours", "Apply", {}),
      entry("kubectl", "Update", { "f:spec": { "f:replicas": {} } }, { subresource: "scale" }),
    );
    expect(needsTakeOver(object)).toBe(false);
    expect(takeOver(object, "ours")).toBeUndefined();
  });

  it("tell whose a field is", () => {
    const object = live(
      entry("ours", "Apply", { "f:spec": { "f:a": {} } }),
      entry("hpa", "Update", { "f:spec": { "f:replicas": {} } }),
    );
    expect(ownedByOthersOnly(object, "ours", ["spec", "replicas"])).toBe(true);
    expect(ownedByOthersOnly(object, "ours", ["spec", "a"])).toBe(false);
    expect(ownedByOthersOnly(object, "ours", ["spec", "nobody"])).toBe(false);
  });
});
