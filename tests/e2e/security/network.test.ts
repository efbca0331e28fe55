import type { V1NetworkPolicy } from "@kubernetes/client-node";
import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { lacks } from "../../support/lacking";
import { ControlPod, LISTENER_PORT, probe, type Reached, requireEngine, type Target } from "../../support/network";
import { cluster, newSandbox, perTest, stack } from "../../support/suite";

const mine = perTest();
const { kube } = cluster;
const image = stack.images.ship.reference;

/** What a sandbox reaches. */
async function reach<Name extends string>(
  from: SandboxClient,
  targets: Record<Name, Target>,
): Promise<Record<Name, Reached>> {
  const { output } = expectStatus(await from.python(probe(targets)), 200);
  return JSON.parse(output) as Record<Name, Reached>;
}

/** The same of every target. */
const all = <Name extends string>(targets: Record<Name, Target>, reached: Reached): Record<string, Reached> =>
  Object.fromEntries(Object.keys(targets).map((name) => [name, reached]));

/** A pod that no policy selects, on a cluster whose engine was seen at work; a named skip elsewhere. */
async function control(): Promise<ControlPod> {
  const pod = await ControlPod.start(kube, mine, { namespace: stack.namespace, image });
  await requireEngine(kube, mine, pod, image);
  return pod;
}

/** Ready pods of a selector, which their probes keep ready: something listens there. */
async function readyAddress(namespace: string, selector: string): Promise<string> {
  const pods = await kube.pods(namespace, selector);
  const ready = pods.find(({ status }) =>
    status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True"),
  );
  if (!ready?.status?.podIP) throw new Error(`no ready pod of ${selector} in ${namespace}`);
  return ready.status.podIP;
}

describe("the network of sandboxes @security", () => {
  it("is declared: from Bay alone, to the cluster's DNS, and to the internet where the profile says so", async () => {
    const policies = new Map(
      (await kube.networkPolicies(stack.namespace)).map((policy) => [policy.metadata?.name, policy.spec]),
    );
    expect([...policies.keys()]).toEqual(expect.arrayContaining(["bay", "bay-sandboxes", "bay-sandboxes-internet"]));
    expect(policies.get("bay-sandboxes")).toMatchObject({
      podSelector: { matchLabels: { "bay.managed": "true" } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ _from: [{ podSelector: { matchLabels: { app: "bay" } } }] }],
    });
    // A rule without peers would lead everywhere.
    const { egress } = policies.get("bay-sandboxes")!;
    expect(egress!.map(({ to }) => to?.length ?? 0)).not.toContain(0);
    expect(egress![0]!.to).toMatchObject([
      {
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
        podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
      },
    ]);
    const [outward] = policies.get("bay-sandboxes-internet")!.egress!;
    expect(outward!.to![0]!.ipBlock!.except).toEqual(expect.arrayContaining(["10.0.0.0/8", "169.254.0.0/16"]));
  });

  it("selects the pods that Bay really makes", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.shell("true"), 200);
    const { metadata } = await cluster.sessionPod(sandbox.id);
    const selecting = (await kube.networkPolicies(stack.namespace))
      .filter((policy) => selects(policy, metadata?.labels ?? {}))
      .map((policy) => policy.metadata?.name);
    expect(selecting.sort()).toEqual(["bay-sandboxes", "bay-sandboxes-internet"]);
  });

  it("keeps a sandbox from other sandboxes, from Bay and from pods of others; no policy, and it reaches them @slow", async () => {
    const [one, other, free] = await Promise.all([newSandbox(mine), newSandbox(mine), control()]);
    await Promise.all([one, other].map(async (sandbox) => expectStatus(await sandbox.python("1"), 200)));
    const [sibling, bay] = await Promise.all([cluster.sessionPod(other.id), kube.pod(stack.namespace, stack.pod)]);
    // What nobody but Bay may call answers Bay, or its probes, all the while.
    const closed: Record<string, Target> = {
      "another sandbox": [sibling.status!.podIP!, 8123],
      Bay: [bay!.status!.podIP!, stack.port],
      "Bay's metrics": [bay!.status!.podIP!, 9114],
    };
    const open: Record<string, Target> = {
      "a pod": [free.address, LISTENER_PORT],
      "a pod that answers at DNS' port": [free.address, 53],
    };
    expect(await free.reach({ ...closed, ...open })).toEqual({ ...all(closed, "silent"), ...all(open, "open") });
    expect(await reach(one, { ...closed, ...open })).toEqual({ ...all(closed, "silent"), ...all(open, "silent") });
    expect(expectStatus(await other.python("print('well')"), 200).output.trim()).toBe("well");
  });

  it("keeps a sandbox from the cluster's API and from its node; no policy, and it reaches them @slow", async () => {
    const [sandbox, free, [node]] = await Promise.all([newSandbox(mine), control(), kube.nodes()]);
    const address = node!.status!.addresses!.find(({ type }) => type === "InternalIP")!.address;
    const targets: Record<string, Target> = {
      "the API by its Service": ["kubernetes.default.svc", 443],
      "the kubelet": [address, 10250],
    };
    const reachable = await free.reach(targets);
    expect(reachable["the API by its Service"]).toBe("open");
    const reached = await reach(sandbox, targets);
    // Kubernetes leaves traffic between a pod and its own node to the engine.
    if (Object.entries(reached).some(([name, how]) => how === "open" && reachable[name] === "open"))
      lacks("an engine for NetworkPolicies that keeps pods from their own node");
    expect(reached).toEqual(all(targets, "silent"));
  });

  it("lets a sandbox ask the cluster's DNS for names", async () => {
    const sandbox = await newSandbox(mine);
    const { output } = expectStatus(
      await sandbox.python("import socket; print(socket.gethostbyname('kubernetes.default.svc'))"),
      200,
    );
    expect(output.trim()).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  });

  it("keeps everybody but the server from the propagator's agents, and all who are not named from its server @slow", async () => {
    const { source, namespace, release } = stack.checkpoint;
    if (source !== "propagator") lacks("a propagator of this repository");
    const [sandbox, free] = await Promise.all([newSandbox(mine), control()]);
    const of = (component: string) =>
      readyAddress(namespace, `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`);
    const [server, agent] = await Promise.all([of("server"), of("agent")]);
    const targets: Record<string, Target> = {
      server: [server, 1324],
      "its metrics": [server, 9324],
      agent: [agent, 1325],
      "the agent's metrics": [agent, 9325],
    };
    expect(await free.reach(targets)).toEqual(all(targets, "silent"));
    expect(await reach(sandbox, targets)).toEqual(all(targets, "silent"));
  });
});

/** As far as the policies of the stack go: labels that match, and values that are among those named. */
function selects({ spec }: V1NetworkPolicy, labels: Record<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = spec?.podSelector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) =>
      operator === "In" ? values.includes(labels[key] ?? "") : labels[key] === undefined,
    )
  );
}
