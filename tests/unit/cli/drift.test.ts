import type { EngineEvent } from "@pulumi/pulumi/automation";
import { describeDrift, driftOf, fieldsOf } from "../../../cli/stack/drift";

const urn = (type: string, name: string) => `urn:pulumi:k3s::bay-e2e::${type}::${name}`;

/** What Pulumi tells of one resource at the end of its look. */
function looked(op: string, type: string, wanted: object, found: object | undefined): EngineEvent {
  const state = (inputs: object) => ({ inputs, outputs: {}, urn: "", type, id: "i", parent: "", provider: "" });
  const metadata = {
    op,
    type,
    urn: urn(type, "logical"),
    provider: "",
    old: state(wanted),
    ...(found ? { new: state(found) } : {}),
  };
  return { sequence: 1, timestamp: 1, resOutputsEvent: { metadata } } as unknown as EngineEvent;
}

const role = {
  metadata: { name: "bay-role", namespace: "ns", labels: { "bay-e2e.dev/stack": "k3s" } },
  rules: [{ verbs: ["get"] }],
};

describe("drift", () => {
  test("is nothing where all is as it was made", () => {
    expect(
      driftOf([
        looked("same", "kubernetes:rbac.authorization.k8s.io/v1:Role", role, role),
        looked("update", "pulumi:pulumi:Stack", { a: 1 }, { a: 2 }),
      ]),
    ).toEqual([]);
  });

  test("names object, field, wanted and found, and what is gone", () => {
    const changed = {
      ...role,
      metadata: { ...role.metadata, labels: { "bay-e2e.dev/stack": "mine" } },
      rules: [{ verbs: ["get", "delete"] }],
    };
    const events = [
      looked("update", "kubernetes:rbac.authorization.k8s.io/v1:Role", role, changed),
      looked(
        "delete",
        "kubernetes:core/v1:ConfigMap",
        { metadata: { name: "bay-config", namespace: "ns" } },
        undefined,
      ),
      looked("delete", "docker:index/volume:Volume", { name: "data" }, undefined),
    ];
    expect(describeDrift(driftOf(events))).toBe(
      [
        "Role ns/bay-role: changed",
        '  metadata.labels["bay-e2e.dev/stack"]: wanted "k3s", found "mine"',
        '  rules[0].verbs[1]: wanted nothing, found "delete"',
        "ConfigMap ns/bay-config: gone",
        "Volume data: gone",
      ].join("\n"),
    );
  });

  test("falls back to the name in the program where the object's own is a secret or unknown", () => {
    expect(
      driftOf([looked("delete", "kubernetes:core/v1:Secret", { metadata: "[secret]" }, undefined)])[0]!.object,
    ).toBe("Secret logical");
  });

  test("counts nothing, null and what is empty as one, and a list against a map as a change", () => {
    expect(fieldsOf({ a: [], b: undefined, __defaults: [] }, { b: null, c: {} })).toEqual([]);
    expect(fieldsOf({ a: ["x"] }, { a: { 0: "x" } })).toHaveLength(1);
  });

  test("cuts long values", () => {
    expect(
      describeDrift([{ object: "o", fields: [{ path: "p", wanted: "x".repeat(500), found: 1 }] }]).length,
    ).toBeLessThan(200);
  });
});
