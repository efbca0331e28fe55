import { counter, type Pod, server } from "../runtime/workloads";
import { uniqueName } from "../support/names";
import { Scope } from "../support/scope";
import { notYet, waitFor } from "../support/wait";
import { Rig } from "./rig";

let rig: Rig;
let scope: Scope;
beforeAll(async () => { rig = await Rig.open(); });
afterAll(() => rig.close());
beforeEach(() => { scope = new Scope(); });
afterEach(() => scope.close());

const LINE = /^\d+ \d+$/;
const WELL = Array<object>(6).fill({ ready: true, restarts: 0 });

/** What a counter is known by: the word that stands in its memory alone, how far it came, its files. */
interface Identity { word: string; count: number; marker: string; deleted: string }

async function identityOf(pod: Pod, which: "first" | "last"): Promise<Identity> {
  await rig.node.logged(pod, LINE);
  const lines = (await rig.node.kubectl("logs", pod.metadata.name)).split("\n").filter((line) => LINE.test(line));
  const [word, count] = (which === "first" ? lines[0] : lines.at(-1))!.split(" ");
  return { word: word!, count: Number(count), marker: await rig.node.exec(pod, "cat", "/marker"), deleted: await rig.node.exec(pod, "sh", "-c", "ls /etc/debian_version 2>&1 | grep -c cannot") };
}

function isSameGoneOn(before: Identity, after: Identity): boolean {
  return after.word === before.word && after.count >= before.count && after.marker === before.marker && after.deleted === before.deleted;
}

/** A line of its log that is new. */
async function grows(pod: Pod): Promise<void> {
  const { count } = await identityOf(pod, "last");
  await waitFor(`a line after ${count} of ${pod.metadata.name}`, async () => {
    const now = await identityOf(pod, "last");
    return now.count > count || notYet(`it is at ${now.count}`);
  }, { deadline: 30_000 });
}

test("a pod goes on after its checkpoint, and after its deletion in a new pod: same memory, files and deletions, Ready and never started again; then all of it once more", async () => {
  let pod = await rig.make(scope, counter);
  await rig.node.ready(pod);
  await rig.node.logged(pod, /^\d+ [5-9]$/);
  const { word } = await identityOf(pod, "first");
  for (const round of [1, 2]) {
    const before = await identityOf(pod, "last");
    const made = await rig.checkpoint(scope, pod);
    expect(made.details).toMatchObject({ status: "ready", checkpoint_size: expect.any(Number), checksum: expect.stringMatching(/^sha256:/), checkpoint_info: { freeze_microseconds: expect.any(Number) } });
    await grows(pod);
    await rig.node.remove(pod);
    const restored = await rig.restore(scope, made, pod);
    expect(restored.metadata.name).toMatch(new RegExp(`^${pod.metadata.name}-restored-[0-9a-f]{6}$`));
    const after = await identityOf(restored, "first");
    expect({ round, same: isSameGoneOn(before, after), word: after.word }).toEqual({ round, same: true, word });
    expect(await rig.staysReady(restored)).toEqual(WELL);
    await grows(restored);
    pod = restored;
  }
});

test("a pod that starts afresh does not pass for a restored one", async () => {
  const pod = await rig.make(scope, counter);
  await rig.node.logged(pod, /^\d+ [5-9]$/);
  const before = await identityOf(pod, "last");
  const other = await rig.make(scope, counter);
  expect(isSameGoneOn(before, await identityOf(other, "first"))).toBe(false);
});

test("a server with threads answers from the restored pod with the secret of its memory, and keeps its host name", async () => {
  const pod = await rig.make(scope, server(8));
  await rig.node.ready(pod);
  const [secret, count] = (await rig.node.ask(pod)).split(" ");
  const hostname = await rig.node.exec(pod, "hostname");
  const made = await rig.checkpoint(scope, pod);
  await rig.node.remove(pod);
  const restored = await rig.restore(scope, made, pod);
  const [after, goneOn, marker, threads] = (await rig.node.ask(restored)).split(" ");
  expect([after, Number(goneOn) >= Number(count), marker, threads]).toEqual([secret, true, secret!.slice(0, 8), "True"]);
  expect(await rig.node.exec(restored, "hostname")).toBe(hostname);
});

test("one checkpoint is restored as often as one likes, also beside its original", async () => {
  const pod = await rig.make(scope, counter);
  await rig.node.logged(pod, /^\d+ [5-9]$/);
  const made = await rig.checkpoint(scope, pod);
  const { word } = await identityOf(pod, "first");
  const copies = [await rig.restore(scope, made, pod), await rig.restore(scope, made, pod)];
  for (const copy of copies) {
    expect((await identityOf(copy, "first")).word).toBe(word);
    await grows(copy);
  }
  await grows(pod);
});

test("two pods are checkpointed at once, and one pod twice", async () => {
  const pods = [await rig.make(scope, counter), await rig.make(scope, counter)] as const;
  for (const pod of pods) await rig.node.logged(pod, LINE);
  const actions = await Promise.all([rig.start(pods[0]), rig.start(pods[0]), rig.start(pods[1])]);
  const made = await Promise.all(actions.map((action) => rig.made(scope, action)));
  expect(new Set(made.map(({ id }) => id)).size).toBe(3);
  expect(await rig.stored()).toEqual(expect.arrayContaining(made.map(({ id }) => id)));
});

test("a Deployment does not take the restored pod for its own", async () => {
  const name = uniqueName("deployed");
  const { spec } = counter(rig.node.image, rig.node.runtimeClass);
  const template = Object.fromEntries(Object.entries(spec).filter(([key]) => key !== "runtimeClassName" && key !== "restartPolicy"));
  scope.add(`deployment ${name}`, () => rig.node.kubectl("delete", "deployment", name, "--ignore-not-found", "--wait=true"));
  await rig.node.run(["kubectl", "apply", "-f", "-"], JSON.stringify({
    apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec: { replicas: 1, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: template } },
  }));
  const podName = await waitFor("the Deployment's pod", async () => (await rig.node.kubectl("get", "pods", "-l", `app=${name}`, "-o", "name")).trim().replace("pod/", "") || notYet("there is none"), { deadline: 30_000 });
  const pod: Pod = { apiVersion: "v1", kind: "Pod", metadata: { name: podName }, spec };
  await rig.node.logged(pod, /^\d+ [5-9]$/);
  const { word } = await identityOf(pod, "first");
  const made = await rig.checkpoint(scope, pod);
  await rig.node.kubectl("scale", "deployment", name, "--replicas=0");
  await rig.gone(podName);
  const restored = await rig.restore(scope, made, pod);
  await rig.node.kubectl("scale", "deployment", name, "--replicas=1");
  await rig.node.kubectl("rollout", "status", "deployment", name, "--timeout=60s");
  expect((await identityOf(restored, "first")).word).toBe(word);
  expect(await rig.staysReady(restored)).toEqual(WELL);
  const { metadata } = await rig.node.state(restored) as unknown as { metadata: { ownerReferences?: object[]; labels: Record<string, string> } };
  expect([metadata.ownerReferences, metadata.labels]).toEqual([undefined, { app: name }]);
});
