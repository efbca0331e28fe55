import type { EngineEvent } from "@pulumi/pulumi/automation";
import { InFlight } from "../../../cli/stack/in-flight";

const urn = (type: string, name: string) => `urn:pulumi:kind::bay-e2e::${type}::${name}`;
const CLUSTER = urn("bay-e2e:index:Cluster", "cluster");
const KIND = urn("bay-e2e:index:Cluster$pulumi-nodejs:bay-e2e:KindCluster", "kind");

function begun(of: string, custom?: true): EngineEvent {
  const state = {
    type: "",
    urn: of,
    id: "",
    parent: "",
    inputs: {},
    outputs: {},
    provider: "",
    ...(custom ? { custom } : {}),
  };
  return {
    sequence: 1,
    timestamp: 1,
    resourcePreEvent: { metadata: { op: "create", urn: of, type: "", provider: "", new: state } },
  } as unknown as EngineEvent;
}
const said = (of: string, message: string) =>
  ({
    sequence: 2,
    timestamp: 1,
    diagnosticEvent: { urn: of, message, color: "never", severity: "info", ephemeral: true },
  }) as EngineEvent;

describe("what an up waits for", () => {
  test("is the resource that takes long, and not the components around it, which wait for it", () => {
    const inFlight = new InFlight("kind");
    for (const component of [
      urn("pulumi:pulumi:Stack", "bay-e2e-kind"),
      CLUSTER,
      urn("bay-e2e:index:Images", "images"),
    ])
      inFlight.onEvent(begun(component));
    inFlight.onEvent(begun(KIND, true));
    expect(inFlight.text(Date.now() + 30_000)).toMatch(/^create KindCluster kind for (29\.\d|30\.0) s$/);
  });

  test("is a component that says what it does, and any component where there is nothing else", () => {
    const inFlight = new InFlight("kind");
    inFlight.onEvent(begun(CLUSTER));
    expect(inFlight.text()).toMatch(/^create Cluster cluster for 0\.\d s$/);
    inFlight.onEvent(begun(KIND, true));
    inFlight.onEvent(said(CLUSTER, "node kind-worker is not ready"));
    expect(inFlight.text()).toMatch(
      /^create Cluster cluster for 0\.\d s: node kind-worker is not ready; create KindCluster kind for 0\.\d s$/,
    );
  });
});
