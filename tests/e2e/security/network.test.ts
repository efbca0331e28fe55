import type { V1NetworkPolicy } from "@kubernetes/client-node";
import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { lacks } from "../../support/lacking";
import { uniqueName } from "../../support/names";
import { cluster, newSandbox, perTest, stack } from "../../support/suite";
import { notYet, waitFor, WaitError } from "../../support/wait";

const mine = perTest();
const { kube } = cluster;
/** Milliseconds that an engine may take to act on a new policy. */
const ENGINE_ACTS_WITHIN = 15_000;

/** Whether a sandbox gets a TCP connection to an address within two seconds. */
async function reaches(from: SandboxClient, address: string, port: number): Promise<boolean> {
  const code = `import socket\ntry:\n    socket.create_connection(("${address}", ${port}), timeout=2).close()\n    print("open")\nexcept OSError as error:\n    print("closed", error)`;
  return expectStatus(await from.python(code), 200).output === "open";
}

/** Whether anything in the cluster enforces policies: a pod that may get nothing must become unreachable. */
async function isEnforced(from: SandboxClient, victim: SandboxClient, address: string): Promise<boolean> {
  const name = uniqueName("deny");
  mine.add(`network policy ${name}`, () => kube.deleteNetworkPolicy(stack.namespace, name));
  await kube.createNetworkPolicy(stack.namespace, { metadata: { name }, spec: { podSelector: { matchLabels: { "bay.sandbox_id": victim.id } }, policyTypes: ["Ingress"] } });
  try {
    await waitFor("the policy to act", async () => !await reaches(from, address, 8123) || notYet("still reached"), { deadline: ENGINE_ACTS_WITHIN, interval: 500 });
    return true;
  } catch (error) {
    if (error instanceof WaitError) return false;
    throw error;
  }
}

describe("the network of sandboxes @security", () => {
  it("is declared: from Bay alone, to DNS, and to the internet where the profile says so", async () => {
    const policies = new Map((await kube.networkPolicies(stack.namespace)).map((policy) => [policy.metadata?.name, policy.spec]));
    expect([...policies.keys()]).toEqual(expect.arrayContaining(["bay", "bay-sandboxes", "bay-sandboxes-internet"]));
    expect(policies.get("bay-sandboxes")).toMatchObject({
      podSelector: { matchLabels: { "bay.managed": "true" } }, policyTypes: ["Ingress", "Egress"],
      ingress: [{ _from: [{ podSelector: { matchLabels: { app: "bay" } } }] }], egress: [{ ports: [{ port: 53, protocol: "UDP" }, { port: 53, protocol: "TCP" }] }],
    });
    const [outward] = policies.get("bay-sandboxes-internet")!.egress!;
    expect(outward!.to![0]!.ipBlock!.except).toEqual(expect.arrayContaining(["10.0.0.0/8", "169.254.0.0/16"]));
  });

  it("selects the pods that Bay really makes", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.shell("true"), 200);
    const { metadata } = await cluster.sessionPod(sandbox.id);
    const selecting = (await kube.networkPolicies(stack.namespace)).filter((policy) => selects(policy, metadata?.labels ?? {})).map((policy) => policy.metadata?.name);
    expect(selecting.sort()).toEqual(["bay-sandboxes", "bay-sandboxes-internet"]);
  });

  it("keeps one sandbox from another's runtime, and from the cluster's API @slow", async () => {
    const [one, other] = await Promise.all([newSandbox(mine), newSandbox(mine)]);
    await Promise.all([one, other].map(async (sandbox) => expectStatus(await sandbox.python("1"), 200)));
    const address = (await cluster.sessionPod(other.id)).status!.podIP!;
    if (await reaches(one, address, 8123) && !await isEnforced(one, other, address)) lacks("anything that enforces NetworkPolicy");
    expect({ sibling: await reaches(one, address, 8123), api: await reaches(one, "kubernetes.default.svc", 443) }).toEqual({ sibling: false, api: false });
  });
});

/** As far as the policies of the stack go: labels that match, and values that are among those named. */
function selects({ spec }: V1NetworkPolicy, labels: Record<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = spec?.podSelector ?? {};
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value)
    && matchExpressions.every(({ key, operator, values = [] }) => (operator === "In" ? values.includes(labels[key] ?? "") : labels[key] === undefined));
}
