import { commandOnHost, nodeContainer } from "../checkpoint/support/node";
import { expectStatus } from "../support/bay-client";
import { lacks } from "../support/lacking";
import { uniqueName } from "../support/names";
import { ControlPod, LISTENER_PORT, probe, type Reached, requireEngine, type Target } from "../support/network";
import { cluster, newSandbox, perTest, stack } from "../support/suite";

const mine = perTest();
const { kube } = cluster;
const { namespace } = stack;
const image = stack.images.ship.reference;
/** Where the kubelet listens, at every address of its node. */
const KUBELET = 10250;

async function control(options: { labels?: Record<string, string>; program?: string } = {}): Promise<ControlPod> {
  return ControlPod.start(kube, mine, { namespace, image, ...options });
}

/** Gives the node an address more, at which its kubelet then listens, until the test ends. */
async function addAddress(node: string, address: string): Promise<void> {
  const change = async (verb: "add" | "delete") =>
    commandOnHost("docker", ["exec", node, "ip", "address", verb, `${address}/32`, "dev", "lo"]);
  mine.add(`address ${address}`, async () => {
    await change("delete");
  });
  expect(await change("add")).toMatchObject({ exitCode: 0 });
}

/** Python that asks for an answer by UDP, every 0.3 s for three seconds. */
const askByUdp = (address: string, port: number) => `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.3)
for _ in range(10):
    s.sendto(b"hello", ("${address}", ${port}))
    try:
        print(s.recv(100).decode()); break
    except TimeoutError:
        pass
else:
    print("silent")`;

describe("network policies under attack", () => {
  it("the internet is public addresses alone, and only for a profile that has it: not the cloud's metadata, not the node", async () => {
    const node = nodeContainer(stack) ?? lacks("a node that is a container of this host");
    const free = await control();
    await requireEngine(kube, mine, free, image);
    // Documentation's range, which no network has, and the address of every cloud's metadata; both answer from here on.
    await Promise.all(["198.51.100.7", "169.254.169.254"].map((address) => addAddress(node, address)));
    const [{ status }] = (await kube.nodes()) as [{ status?: { addresses?: { type: string; address: string }[] } }];
    const address = status!.addresses!.find(({ type }) => type === "InternalIP")!.address;
    const targets: Record<"public" | "metadata" | "node", Target> = {
      public: ["198.51.100.7", KUBELET],
      metadata: ["169.254.169.254", KUBELET],
      node: [address, KUBELET],
    };
    expect(await free.reach(targets)).toEqual({ public: "open", metadata: "open", node: "open" });
    const seen = async (profile: string) => {
      const sandbox = await newSandbox(mine, { profile });
      return JSON.parse(expectStatus(await sandbox.python(probe(targets)), 200).output) as Record<string, Reached>;
    };
    const [internet, none] = await Promise.all([seen("python-default"), seen("python-only-test")]);
    if (internet["node"] === "open") lacks("an engine for NetworkPolicies that keeps pods from their own node");
    expect(internet).toEqual({ public: "open", metadata: "silent", node: "silent" });
    expect(none).toEqual({ public: "silent", metadata: "silent", node: "silent" });
  });

  it("a pod is kept apart from its very first packet on", async () => {
    const [free, marker] = [await control(), uniqueName("closed")];
    await requireEngine(kube, mine, free, image);
    mine.add(`network policy ${marker}`, () => kube.deleteNetworkPolicy(namespace, marker));
    await kube.createNetworkPolicy(namespace, {
      metadata: { name: marker },
      spec: { podSelector: { matchLabels: { "bay-e2e.dev/closed": marker } }, policyTypes: ["Egress"] },
    });
    const program = `
import time
def first():
    for _ in range(15):
        try:
            socket.create_connection(("${free.address}", ${LISTENER_PORT}), timeout=0.2).close(); return "open"
        except TimeoutError:
            pass
        except OSError as error:
            return str(error)
    return "silent"
print("first:", first())`;
    const closed: Record<string, string> = { "bay-e2e.dev/closed": marker };
    const started = await Promise.all([closed, closed, closed, {}].map((labels) => control({ labels, program })));
    const seen = await Promise.all(started.map(({ name }) => kube.log(namespace, name)));
    expect(seen.map((log) => log.trim())).toEqual(["first: silent", "first: silent", "first: silent", "first: open"]);
  });

  it("a sandbox gets no answer by UDP from a pod that answers others", async () => {
    const echo =
      'u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 5300))\nthreading.Thread(target=lambda: [u.sendto(*u.recvfrom(100)) for _ in iter(int, 1)]).start()';
    const [free, answering, sandbox] = await Promise.all([control(), control({ program: echo }), newSandbox(mine)]);
    await requireEngine(kube, mine, free, image);
    expect((await free.python(askByUdp(answering.address, 5300))).trim()).toBe("hello");
    expect(expectStatus(await sandbox.python(askByUdp(answering.address, 5300)), 200).output.trim()).toBe("silent");
  });
});
