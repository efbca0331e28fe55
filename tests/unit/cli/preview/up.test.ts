import { hostname } from "node:os";
import { LABELS, ownerOf } from "../../../../infra/naming";
import { ROOT } from "../../../../cli/paths";
import type { ApiNamespace } from "../../../../cli/cluster/namespaces";
import { orphanIn } from "../../../../cli/preview/up";
import type { StackState } from "../../../../cli/stack/stack-state";

const STACK = "preview-blue";
const NAME = "bay-blue";
const OWN = { [LABELS.owner]: ownerOf(ROOT, STACK).id };

const namespace = (labels: Record<string, string>, host?: string): ApiNamespace => ({
  metadata: {
    name: NAME,
    uid: "u1",
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
    labels,
    annotations: host === undefined ? {} : { [LABELS.host]: host },
  },
});
const state = (id: string): StackState => ({
  resources: [{ urn: "urn", type: "kubernetes:core/v1:Namespace", id }],
  pending: [],
});

describe("before a preview goes up, its namespace", () => {
  test.each([
    ["there is none", undefined, undefined],
    ["the stack's state has it", namespace(OWN), state(NAME)],
    ["another host made it, and the stack's state has it", namespace(OWN, "elsewhere"), state(NAME)],
  ])("is no orphan if %s", (_, found, known) => {
    expect(orphanIn(STACK, found, known)).toBeUndefined();
  });

  test.each([
    ["has no state", namespace(OWN), undefined],
    ["has the state of another namespace", namespace(OWN, hostname()), state("bay-red")],
  ])("is an orphan if this checkout made it and the stack %s", (_, found, known) => {
    expect(orphanIn(STACK, found, known)).toMatchObject({ name: NAME, uid: "u1" });
  });

  test.each([
    ["nobody says who made it", namespace({}), undefined],
    ["another checkout made it", namespace({ [LABELS.owner]: "other" }), state(NAME)],
    ["another host made it, and no state here has it", namespace(OWN, "elsewhere"), undefined],
  ])("is refused if %s", (_, found, known) => {
    expect(() => orphanIn(STACK, found, known)).toThrow(/E_NAMESPACE_FOREIGN/);
  });
});
