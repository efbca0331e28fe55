import { uniqueName } from "../support/names";
import { notYet, waitFor } from "../support/wait";
import { differences, grows, identityOf } from "./support/identity";
import { useRig, WELL } from "./support/rig";
import { counter, type Pod } from "./support/workloads";

const { rig, scope } = useRig();

/** A counter that has come some way. */
async function running(): Promise<Pod> {
  const pod = await rig().make(scope(), counter);
  await rig().pods.logged(pod, /^\d+ [5-9]$/);
  return pod;
}

describe("a restored pod", () => {
  test("is the one that went on after its checkpoint and was deleted: same memory, files and deletions, Ready, never started again; then all of it once more", async () => {
    const { pods } = rig();
    let pod = await running();
    const { word } = await identityOf(pods, pod, "first");
    for (const round of [1, 2]) {
      const before = await identityOf(pods, pod, "last");
      const made = await rig().checkpoint(scope(), pod);
      if (rig().isLocal)
        expect(made.details).toMatchObject({
          status: "ready",
          checkpoint_size: expect.any(Number),
          checksum: expect.stringMatching(/^sha256:/),
          checkpoint_info: { freeze_microseconds: expect.any(Number) },
        });
      await grows(pods, pod);
      await pods.remove(pod);
      const restored = await rig().restore(scope(), made, pod);
      expect({ round, differences: differences(before, await identityOf(pods, restored, "first")) }).toEqual({
        round,
        differences: [],
      });
      expect((await identityOf(pods, restored, "last")).word).toBe(word);
      expect(await rig().staysReady(restored)).toEqual(WELL);
      await grows(pods, restored);
      pod = restored;
    }
  });

  test("is told from one that starts afresh by these checks", async () => {
    const { pods } = rig();
    const pod = await running();
    await pods.logged(pod, /^\d+ \d\d$/);
    const other = await rig().make(scope(), counter);
    expect(differences(await identityOf(pods, pod, "last"), await identityOf(pods, other, "first"))).toEqual([
      "word",
      "marker",
      "count",
    ]);
  });

  test("can be deleted, and restored again from the same checkpoint", async () => {
    const { pods } = rig();
    const pod = await running();
    const before = await identityOf(pods, pod, "last");
    const made = await rig().checkpoint(scope(), pod);
    await pods.remove(pod);
    for (const time of [1, 2]) {
      const copy = await rig().restore(scope(), made, pod);
      expect({ time, differences: differences(before, await identityOf(pods, copy, "first")) }).toEqual({
        time,
        differences: [],
      });
      await pods.remove(copy);
    }
  });

  test("stands beside its original and other copies, and all go on", async () => {
    const { pods } = rig();
    const pod = await running();
    const made = await rig().checkpoint(scope(), pod);
    const { word } = await identityOf(pods, pod, "first");
    const copies = [await rig().restore(scope(), made, pod), await rig().restore(scope(), made, pod)];
    for (const copy of copies) {
      expect((await identityOf(pods, copy, "first")).word).toBe(word);
      await grows(pods, copy);
    }
    await grows(pods, pod);
  });

  test("is not taken by a Deployment for its own", async () => {
    const {
      pods,
      session: { namespace, image },
    } = rig();
    const name = uniqueName("deployed");
    const { spec } = counter(image);
    const template = Object.fromEntries(Object.entries(spec).filter(([key]) => key !== "restartPolicy"));
    const header = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace } };
    scope().add(`deployment ${name}`, () => pods.kube.remove(header));
    await pods.kube.create({
      ...header,
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: name } },
        template: { metadata: { labels: { app: name } }, spec: template },
      },
    } as typeof header);
    const scale = (replicas: number) => pods.kube.patch({ ...header, spec: { replicas } } as typeof header);
    const podName = await waitFor(
      "the Deployment's pod",
      async () => (await pods.kube.pods(namespace, `app=${name}`))[0]?.metadata?.name ?? notYet("there is none"),
      { deadline: 30_000 },
    );
    const pod: Pod = { apiVersion: "v1", kind: "Pod", metadata: { name: podName }, spec };
    await pods.logged(pod, /^\d+ [5-9]$/);
    const { word } = await identityOf(pods, pod, "first");
    const made = await rig().checkpoint(scope(), pod);
    await scale(0);
    await pods.gone(podName);
    const restored = await rig().restore(scope(), made, pod);
    await scale(1);
    await waitFor(
      "a new pod of the Deployment",
      async () => {
        const found = (await pods.kube.pods(namespace, `app=${name}`)).filter(
          ({ metadata }) => metadata!.name !== restored.metadata.name,
        );
        return found.some(({ status }) => status?.phase === "Running") || notYet(`it has ${found.length}`);
      },
      { deadline: 60_000 },
    );
    expect((await identityOf(pods, restored, "first")).word).toBe(word);
    expect(await rig().staysReady(restored)).toEqual(WELL);
    const { metadata } = await pods.state(restored);
    expect([metadata!.ownerReferences, metadata!.labels!["app"], metadata!.labels!["pod-template-hash"]]).toEqual([
      undefined,
      name,
      undefined,
    ]);
    await scale(0);
    await waitFor(
      "the end of the Deployment's pods",
      async () =>
        (await pods.kube.pods(namespace, `app=${name}`)).every(
          ({ metadata: one }) => one!.name === restored.metadata.name,
        ) || notYet("one is there"),
      { deadline: 60_000 },
    );
  });
});

test("two pods are checkpointed at once, and one pod twice", async () => {
  const [one, other] = [await running(), await running()];
  const actions = await Promise.all([rig().start(one), rig().start(one), rig().start(other)]);
  const made = await Promise.all(actions.map((action) => rig().made(scope(), action)));
  expect(new Set(made.map(({ id }) => id)).size).toBe(3);
  const words = await Promise.all([one, other].map(async (pod) => (await identityOf(rig().pods, pod, "first")).word));
  const copies = await Promise.all([rig().restore(scope(), made[0]!, one), rig().restore(scope(), made[2]!, other)]);
  expect(await Promise.all(copies.map(async (pod) => (await identityOf(rig().pods, pod, "first")).word))).toEqual(
    words,
  );
});
