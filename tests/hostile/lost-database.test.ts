import { replaceBayPod } from "../support/bay-pod";
import { expectStatus, type SandboxClient } from "../support/bay-client";
import type { Sandbox } from "../support/bay-types";
import { outside } from "../support/outside";
import { bay, cluster, collect, expectRefusal, newCargo, newSandbox, perFile, stack } from "../support/suite";
import { notYet, waitFor } from "../support/wait";

const { kube, namespace } = cluster;
const REMOVE =
  "for (const end of ['', '-wal', '-shm']) require('fs').rmSync('/var/lib/bay/bay.db' + end, { force: true })";

interface Recovery {
  volumes: number;
  items: {
    kind: string;
    id: string;
    sandbox_id: string | null;
    managed: boolean;
    removable_in_seconds: number | null;
  }[];
}
interface Adoption {
  adopted: { cargo_id: string; as: string; sandbox_id: string | null; session_id: string | null }[];
  errors: unknown[];
}

// Serial: Bay answers nobody for a moment, and knows nothing of what was made before.
describe("a Bay whose database is lost @hostile @serial @reference", () => {
  const mine = perFile();
  let used: SandboxClient & { created: Sandbox };
  let idle: typeof used;
  let session: string;
  let cargoId: string;

  beforeAll(async () => {
    const cargo = await newCargo(mine, 77);
    cargoId = cargo.id;
    [used, idle] = await Promise.all([newSandbox(mine), newSandbox(mine)]);
    // Its cargo is the client's: the sandbox itself may be forgotten, and goes before the database does.
    const user = bay.sandbox(expectStatus(await bay.createSandbox({ cargo_id: cargoId }), 201).id);
    for (const [sandbox, text] of [
      [used, "of the used one"],
      [idle, "of the idle one"],
      [user, "of the cargo"],
    ] as const) {
      expectStatus(await sandbox.writeFile("precious.txt", text), 200);
    }
    expectStatus(await used.python("kept = 41"), 200);
    expectStatus(await idle.stop(), 200);
    expectStatus(await user.delete(), 204);
    session = (await cluster.sessionPod(used.id)).metadata!.uid!;
    const { reconnects } = outside().forwardStatus();
    await kube.exec(namespace, stack.pod, "bay", ["node", "-e", REMOVE]);
    await replaceBayPod(mine, kube, stack);
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
  }, 150_000);

  const claims = async () =>
    Promise.all([used.created.cargo_id, idle.created.cargo_id, cargoId].map((id) => cluster.claim(id)));

  it("removes no volume and no running pod, however often it collects", async () => {
    expectRefusal(await used.get(), 404, "not_found");
    for (let run = 0; run < 3; run += 1) expect((await collect()).total_errors).toBe(0);
    expect(
      (await claims()).map((claim) => [claim?.metadata?.deletionTimestamp, claim?.metadata?.labels?.["bay.set_aside"]]),
    ).toEqual(Array(3).fill([undefined, "true"]));
    expect((await cluster.sessionPod(used.id)).metadata!.uid).toBe(session);
  });

  it("names them, in its log and to an administrator, with what would remove them", async () => {
    const { items } = expectStatus(await bay.call<Recovery>("GET", "/v1/admin/recovery"), 200);
    expect(items).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          kind: "volume",
          id: used.created.cargo_id,
          sandbox_id: used.id,
          managed: true,
          removable_in_seconds: null,
        }),
        expect.objectContaining({ kind: "volume", id: cargoId, sandbox_id: null, managed: false }),
        expect.objectContaining({ kind: "session", sandbox_id: used.id }),
      ]),
    );
    const log = await kube.log(namespace, stack.pod);
    for (const words of [
      "they are set aside and not removed",
      used.created.cargo_id,
      "POST /v1/admin/recovery/adopt",
      "recovery.remove_unknown",
    ])
      expect(log).toContain(words);
  });

  it("gives sandboxes, files, cargos and even running variables back by adoption", async () => {
    const ids = [used.created.cargo_id, idle.created.cargo_id, cargoId];
    const { adopted, errors } = expectStatus(
      await bay.call<Adoption>("POST", "/v1/admin/recovery/adopt", { data: { ids } }),
      200,
    );
    expect(errors).toEqual([]);
    expect(adopted.map(({ cargo_id, as, sandbox_id }) => [cargo_id, as, sandbox_id])).toEqual([
      [used.created.cargo_id, "sandbox", used.id],
      [idle.created.cargo_id, "sandbox", idle.id],
      [cargoId, "cargo", null],
    ]);
    expect(expectStatus(await used.readFile("precious.txt"), 200).content).toBe("of the used one");
    expect(expectStatus(await used.python("kept + 1"), 200).output).toBe("42");
    expect((await cluster.sessionPod(used.id)).metadata!.uid).toBe(session);
    expect(expectStatus(await idle.readFile("precious.txt"), 200).content).toBe("of the idle one");
    const again = await newSandbox(mine, { cargo_id: cargoId });
    expect(expectStatus(await again.readFile("precious.txt"), 200).content).toBe("of the cargo");
    expect(expectStatus(await bay.getCargo(cargoId), 200)).toMatchObject({ managed: false, size_limit_mb: 77 });
    expect((await claims()).map((claim) => claim?.metadata?.labels?.["bay.set_aside"])).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect((await collect()).total_errors).toBe(0);
    expect(expectStatus(await idle.list(), 200).entries.map(({ name }) => name)).toContain("precious.txt");
  });
});
