import type { V1Pod } from "@kubernetes/client-node";
import { expectStatus } from "../support/bay-client";
import { outside } from "../support/outside";
import { bay, cluster, newSandbox, perTest, stack } from "../support/suite";
import { notYet, waitFor } from "../support/wait";

const mine = perTest();
const { namespace, pod: name } = stack;
const { kube } = cluster;

// Serial: while its pod is away, Bay answers nobody.
describe("Bay's pod @resilience @serial", () => {
  it("may be replaced: the run's port-forward follows it and counts one reconnect, and Bay makes sandboxes again @slow", async () => {
    const { reconnects } = outside().forwardStatus();
    const old = (await kube.pod(namespace, name))!;
    mine.add(`pod ${name}`, () => makeUnlessThere(old));
    await kube.deletePod(namespace, name);
    await waitFor("removal of Bay's pod", async () => await kube.pod(namespace, name) === undefined || notYet("it is still there"), { deadline: 60_000 });
    await makeUnlessThere(old);
    await waitFor("the run's port-forward to the new pod", () => {
      const status = outside().forwardStatus();
      return (status.state === "ready" && status.reconnects > reconnects) || notYet(`it is ${status.state} after ${status.reconnects} reconnects: ${status.why ?? "no reason"}`);
    }, { deadline: 60_000 });
    expect(outside().forwardStatus().reconnects).toBe(reconnects + 1);
    expect((await kube.pod(namespace, name))?.metadata?.uid).not.toBe(old.metadata?.uid);
    expect(expectStatus(await bay.health(), 200).status).toBe("ok");
    const sandbox = await newSandbox(mine);
    expect(expectStatus(await sandbox.python("6 * 7"), 200).output).toBe("42");
  });
});

/** Makes the pod anew as it was asked for at first, with the owner of its fields: to Pulumi it is the same object. */
async function makeUnlessThere(old: V1Pod): Promise<void> {
  if (await kube.pod(namespace, name)) return;
  const manager = old.metadata?.managedFields?.find(({ subresource }) => subresource === undefined)?.manager;
  const { volumes = [], containers, ...spec } = { ...old.spec!, nodeName: undefined };
  const mayStay = ({ name: volume }: { name: string }): boolean => !volume.startsWith("kube-api-access-");
  await kube.createPod(namespace, {
    metadata: { name, labels: old.metadata?.labels, annotations: old.metadata?.annotations },
    spec: { ...spec, volumes: volumes.filter(mayStay), containers: containers.map((container) => ({ ...container, volumeMounts: container.volumeMounts?.filter(mayStay) })) },
  }, manager);
}
