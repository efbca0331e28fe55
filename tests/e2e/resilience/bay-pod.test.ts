import { type Answer, BayError, expectStatus } from "../../support/bay-client";
import { replaceBayPod } from "../../support/bay-pod";
import { uniqueName } from "../../support/names";
import { outside } from "../../support/outside";
import { bay, cluster, newCargo, newSandbox, owned, perTest, stack } from "../../support/suite";
import { notYet, waitFor } from "../../support/wait";

const mine = perTest();
const { namespace, pod: name } = stack;
const { kube } = cluster;

// Serial: while its pod is away, Bay answers nobody.
describe("Bay's pod @resilience @serial", () => {
  it("may be replaced in the middle of a run: the port-forward follows it, and nothing that was made is lost @slow", async () => {
    const headers = { "Idempotency-Key": uniqueName("survivor") };
    const used = owned(mine, expectStatus(await bay.createSandbox({ ttl: 3600 }, { headers }), 201).id);
    const idle = await newSandbox(mine);
    const cargo = await newCargo(mine, 77);
    const { execution_id } = expectStatus(await used.python("kept = 41"), 200);
    const before = expectStatus(await used.get(), 200);
    const session = await cluster.sessionPod(used.id);
    const { reconnects } = outside().forwardStatus();

    const underWay = used.shell("touch running; sleep 100", { timeout: 110 }).catch((error: unknown) => error);
    await waitFor(
      "the call to run",
      async () =>
        expectStatus(await used.list(), 200).entries.some(({ name: file }) => file === "running") ||
        notYet("it has not begun"),
      { deadline: 30_000 },
    );
    const old = await replaceBayPod(mine, cluster.kube, stack);
    await waitFor(
      "the run's port-forward to the new pod",
      () => {
        const status = outside().forwardStatus();
        return (
          (status.state === "ready" && status.reconnects > reconnects) ||
          notYet(`it is ${status.state} after ${status.reconnects} reconnects: ${status.why ?? "no reason"}`)
        );
      },
      { deadline: 60_000 },
    );
    expect(outside().forwardStatus().reconnects).toBe(reconnects + 1);
    expect((await kube.pod(namespace, name))?.metadata?.uid).not.toBe(old.metadata?.uid);
    expectEnded(await underWay);

    // The sandbox in use is adopted with its pod and its variables, the others are as they were.
    expect(expectStatus(await used.get(), 200)).toMatchObject({
      id: before.id,
      cargo_id: before.cargo_id,
      expires_at: before.expires_at,
      created_at: before.created_at,
    });
    expect(expectStatus(await used.python("kept + 1"), 200).output).toBe("42");
    expect((await cluster.sessionPod(used.id)).metadata?.uid).toBe(session.metadata?.uid);
    expect(expectStatus(await used.execution(execution_id), 200)).toMatchObject({
      id: execution_id,
      code: "kept = 41",
    });
    expect(expectStatus(await idle.get(), 200)).toEqual(idle.created);
    expect(expectStatus(await bay.getCargo(cargo.id), 200)).toEqual(cargo);
    expect(expectStatus(await bay.createSandbox({ ttl: 3600 }, { headers }), 201).id).toBe(used.id);
    expect(expectStatus(await (await newSandbox(mine)).python("6 * 7"), 200).output).toBe("42");
  });
});

/** The call that Bay was carrying either came to an answer or broke off by name; it did not hang. */
function expectEnded(outcome: unknown): void {
  if (outcome instanceof BayError) expect(outcome.message).toMatch(/E_FORWARD|had no answer/);
  else expect([502, 503]).toContain((outcome as Answer<unknown>).status);
}
