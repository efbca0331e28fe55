import { lacks } from "../support/lacking";
import { uniqueName } from "../support/names";
import { useRig } from "./support/rig";
import { busy, type Make, manyFiles, type Pod, server, withClaim, withVolumes } from "./support/workloads";

const { rig, scope } = useRig();

/** A pod's checkpoint and deletion, and the pod that is restored from it. */
async function moved(pod: Pod): Promise<Pod> {
  const made = await rig().checkpoint(scope(), pod);
  await rig().pods.remove(pod);
  return rig().restore(scope(), made, pod);
}

async function serving(make: Make): Promise<{ pod: Pod; answer: string[] }> {
  const pod = await rig().make(scope(), make);
  await rig().pods.ready(pod);
  return { pod, answer: (await rig().pods.ask(pod)).split(" ") };
}

describe("what lives through checkpoint, deletion and restore", () => {
  test("a server with threads, twice in a row: its listener, the secret of its memory, its file and its host name", async () => {
    const { pods } = rig();
    const {
      pod: original,
      answer: [secret, , marker],
    } = await serving(server(8));
    const hostname = await pods.exec(original, "hostname");
    let pod = original;
    for (const round of [1, 2]) {
      const count = Number((await pods.ask(pod)).split(" ")[1]);
      pod = await moved(pod);
      const answer = (await pods.ask(pod)).split(" ");
      expect([round, answer[0], Number(answer[1]) >= count, answer[2], answer[3]]).toEqual([
        round,
        secret,
        true,
        marker,
        "True",
      ]);
    }
    expect(await pods.exec(pod, "cat", "/marker")).toBe(marker);
    expect(await pods.exec(pod, "hostname")).toBe(hostname);
  });

  test("256 MB of memory", async () => {
    const {
      pod,
      answer: [secret],
    } = await serving(server(256));
    const restored = await moved(pod);
    expect((await rig().pods.ask(restored)).split(" ")[0]).toBe(secret);
    expect(Number(await rig().pods.exec(restored, "awk", "/VmRSS/ { print $2 }", "/proc/1/status"))).toBeGreaterThan(
      256 * 1024,
    );
  });

  test("a process that never waits", async () => {
    const pod = await rig().make(scope(), busy);
    const [secret, count] = (await rig().pods.logged(pod, /^[0-9a-f]{16} \d+$/)).split(" ");
    const restored = await moved(pod);
    const [after, goneOn] = (await rig().pods.logged(restored, /^[0-9a-f]{16} \d+$/)).split(" ");
    expect([after, Number(goneOn) > Number(count)]).toEqual([secret, true]);
  });

  test("two thousand small files in the root file system, one of them open", async () => {
    const pod = await rig().make(scope(), manyFiles(2_000));
    const line = await rig().pods.logged(pod, / 2000 /);
    expect(line).toMatch(/^([0-9a-f]{16}) 2000 \1 0$/);
    expect(await rig().pods.logged(await moved(pod), / 2000 /)).toBe(line);
  });

  test("a claim, whose file stays open and is written on", async () => {
    const {
      pods,
      session: { namespace },
    } = rig();
    const claim = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: uniqueName("data"), namespace },
    };
    scope().add(`claim ${claim.metadata.name}`, () => pods.kube.remove(claim));
    await pods.kube.create({
      ...claim,
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "16Mi" } } },
    } as typeof claim);
    const pod = await rig().make(scope(), withClaim(claim.metadata.name));
    const [secret] = (await pods.logged(pod, /^[0-9a-f]{16} 1$/)).split(" ");
    const restored = await moved(pod);
    await pods.exec(restored, "touch", "/data/go");
    await pods.logged(restored, new RegExp(`^${secret} 3$`));
    expect((await pods.exec(restored, "cat", "/data/lines")).split("\n").slice(0, 3)).toEqual(
      [1, 2, 3].map((count) => `${secret} ${count}`),
    );
  });

  test("the pod's own volumes and shared memory, with a file that is open", async () => {
    if (!rig().isLocal) lacks("volumes in its checkpoints");
    const pod = await rig().make(scope(), withVolumes);
    await rig().pods.logged(pod, /^here$/);
    const restored = await moved(pod);
    await rig().pods.exec(restored, "touch", "/scratch/go");
    expect(await rig().pods.logged(restored, /^files/)).toBe("files open closed memory shared");
  });
});
