import { dockerNamesOf, nameTaken } from "../../../infra/backends/docker-names";
import { readConfig } from "../../../infra/config";
import { clusterName, ownerOf } from "../../../infra/naming";
import { type InspectedContainer, isNodeOf, ownLabels } from "../../../infra/support/docker-inspect";

const owner = ownerOf("/checkout", "k3s");

describe("the names that a stack would take in Docker", () => {
  test("are those of all its nodes, their volumes and their network", () => {
    expect(dockerNamesOf(readConfig({ clusterName: "x", k3sAgents: "1" }, "k3s"), owner)).toEqual({
      containers: ["x", "x-agent-1"],
      networks: ["x"],
      volumes: ["x-k3s", "x-kubelet", "x-agent-1-k3s", "x-agent-1-kubelet"],
    });
    expect(dockerNamesOf(readConfig({}, "k3s"), owner)).toMatchObject({
      containers: [clusterName(owner)],
      networks: [],
    });
    expect(dockerNamesOf(readConfig({ clusterName: "x", kindNodes: "3" }, "kind"), owner)).toEqual({
      containers: ["x-control-plane", "x-worker", "x-worker2"],
      networks: ["x"],
      volumes: [],
      kindCluster: "x",
    });
    expect(dockerNamesOf(readConfig({}, "existing"), owner)).toEqual({ containers: [], networks: [], volumes: [] });
  });

  test("are refused with all that was found, and the command that chooses another", () => {
    const error = nameTaken(
      [
        { kind: "volume", name: "x-k3s", about: "which is mine", show: "docker volume inspect x-k3s" },
        { kind: "network", name: "x", about: "which is mine", show: "" },
      ],
      "k3s",
    );
    expect(error).toMatchObject({
      code: "E_CLUSTER_NAME_TAKEN",
      seen: expect.stringMatching(
        /2 things:[\s\S]*volume x-k3s, which is mine\n[\s\S]*network x, which is mine/,
      ) as string,
      next: expect.stringMatching(/^pulumi config set --stack k3s clusterName /) as string,
    });
  });
});

describe("a node of kind", () => {
  const network = { Id: "n1", Name: "x", Created: "2026-01-01T00:00:10.5Z", Labels: {} };
  const node = (more: {
    mode?: string;
    attached?: string[];
    created?: string;
    cluster?: string;
  }): InspectedContainer => ({
    Id: "c1",
    Name: "/x-control-plane",
    Image: "i",
    Created: more.created ?? "2026-01-01T00:00:11Z",
    Config: { Image: "kindest/node", Labels: { "io.x-k8s.kind.cluster": more.cluster ?? "x" } },
    HostConfig: { NetworkMode: more.mode ?? "x" },
    NetworkSettings: {
      Networks: Object.fromEntries((more.attached ?? ["n1"]).map((id, index) => [`net${index}`, { NetworkID: id }])),
    },
  });

  test("belongs to the network that kind created it in, also before it was started", () => {
    expect([node({}), node({ mode: "n1" }), node({ attached: [""] })].map((each) => isNodeOf(each, network))).toEqual([
      true,
      true,
      true,
    ]);
  });

  test.each([
    ["in a network of that name that is gone", node({ attached: ["n0"] })],
    ["in kind's own network", node({ mode: "kind", attached: ["n7"] })],
    ["elsewhere, and connected later", node({ mode: "kind" })],
    ["before the network", node({ created: "2026-01-01T00:00:10Z" })],
    ["for another cluster", node({ cluster: "y" })],
  ])("that was created %s does not", (_, other) => {
    expect(isNodeOf(other, network)).toBe(false);
  });
});

test("a label that a container has of its image is not its own", () => {
  expect(ownLabels({ a: "1", b: "2", c: "3" }, { a: "1", b: "other" })).toEqual({ b: "2", c: "3" });
});
