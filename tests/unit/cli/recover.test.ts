import { KIND_LABEL } from "../../../cli/clean-up/docker-things";
import { unknownThings } from "../../../cli/stack/recover";

const thing = (kind: "container" | "network" | "volume", name: string, labels = {}) => ({
  kind,
  id: name,
  name,
  labels,
  created: "",
});
const resource = (type: string, inputs: object) => ({
  urn: `urn::${type}`,
  type,
  inputs: inputs as Record<string, unknown>,
});

describe("what a killed run left of a stack", () => {
  const things = [
    thing("container", "node"),
    thing("volume", "data"),
    thing("network", "bay-kind"),
    thing("container", "bay-kind-control-plane", { [KIND_LABEL]: "bay-kind" }),
  ];

  test("is everything, where the state is lost", () => {
    expect(unknownThings(things, undefined)).toEqual(things);
  });

  test("is what no state names; the nodes of a kind cluster go with the cluster, not with its network", () => {
    const network = resource("docker:index/network:Network", { name: "bay-kind" });
    const state = (...resources: ReturnType<typeof resource>[]) => ({ resources, pending: [] });
    expect(
      unknownThings(things, state(network, resource("docker:index/volume:Volume", { name: "data" }))).map(
        ({ name }) => name,
      ),
    ).toEqual(["node", "bay-kind-control-plane"]);
    expect(
      unknownThings(things, state(network, resource("pulumi-nodejs:bay-e2e:KindCluster", { name: "bay-kind" }))).map(
        ({ name }) => name,
      ),
    ).toEqual(["node", "data"]);
  });
});
