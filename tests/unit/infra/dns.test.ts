import { clusterDns, DEFAULT_DNS, dnsEgress } from "../../../infra/components/dns";

const PODS = {
  namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
  podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
};
const service = (...clusterIPs: string[]) => ({ spec: { clusterIPs } });
const slice = (address: string, kind: string | undefined, ...ports: number[]) => ({
  endpoints: [{ addresses: [address], ...(kind ? { targetRef: { kind } } : {}) }],
  ports: ports.map((port) => ({ port })),
});
const cache = (...args: string[]) => ({ spec: { template: { spec: { containers: [{ args }] } } } });

describe("the cluster's DNS", () => {
  test.each<[string, Parameters<typeof clusterDns>, { addresses: string[]; ports: number[] }]>([
    [
      "of pods is their label and the Service's address",
      [service("10.96.0.10"), [slice("10.244.0.3", "Pod", 53, 53, 9153)], undefined],
      { addresses: ["10.96.0.10"], ports: [53] },
    ],
    [
      "of a process of the node is its address and port",
      [service("10.43.0.10"), [slice("10.41.0.1", undefined, 10053)], undefined],
      { addresses: ["10.41.0.1", "10.43.0.10"], ports: [53, 10053] },
    ],
    [
      "of both families is both addresses",
      [service("10.96.0.10", "fd00::a"), [], undefined],
      { addresses: ["10.96.0.10", "fd00::a"], ports: [53] },
    ],
    [
      "with a cache on each node is its addresses too",
      [service("10.96.0.10"), [], cache("-conf", "/etc/Corefile", "-localip", "169.254.20.10,10.96.0.10")],
      { addresses: ["10.96.0.10", "169.254.20.10"], ports: [53] },
    ],
    [
      "with a cache that is told in one word",
      [undefined, [], cache("-localip=169.254.25.10")],
      { addresses: ["169.254.25.10"], ports: [53] },
    ],
    ["of another name is the label alone", [undefined, [], undefined], { addresses: [], ports: [53] }],
    ["without an address of the Service", [service("None"), [], undefined], { addresses: [], ports: [53] }],
  ])("%s", (_what, found, expected) => {
    expect(clusterDns(...found)).toEqual({ pods: DEFAULT_DNS.pods, ...expected });
  });

  test("is all that a rule lets through: no rule is without peers, which would be everywhere", () => {
    expect(dnsEgress()).toEqual([
      {
        to: [PODS],
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
    ]);
    expect(dnsEgress({ pods: [], addresses: [], ports: [53] })).toEqual([]);
    const both = dnsEgress({ pods: DEFAULT_DNS.pods, addresses: ["10.96.0.10"], ports: [53] }) as { to: object[] }[];
    expect(both.map(({ to }) => to)).toEqual([[PODS], [{ ipBlock: { cidr: "10.96.0.10/32" } }]]);
  });
});
