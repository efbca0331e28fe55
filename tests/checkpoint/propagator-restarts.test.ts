import { lacks } from "../support/lacking";
import { notYet, waitFor } from "../support/wait";
import { useRig } from "./support/rig";
import { type Pod, server } from "./support/workloads";

const { rig, scope } = useRig();

/** Deletes the propagator's pods of a component, and waits until as many others are ready. */
async function replaced(component: "server" | "agent"): Promise<void> {
  const {
    pods: { kube },
    session: { outputs },
  } = rig();
  const namespace = outputs!.checkpoint.namespace;
  const selector = `app.kubernetes.io/component=${component}`;
  const old = (await kube.pods(namespace, selector)).map(({ metadata }) => metadata!);
  for (const { name } of old) await kube.deletePod(namespace, name!);
  await waitFor(
    `new pods of the ${component}`,
    async () => {
      const now = await kube.pods(namespace, selector);
      if (now.some(({ metadata }) => old.some(({ uid }) => uid === metadata!.uid)))
        return notYet("an old one is there");
      const ready = now.filter(({ status }) =>
        status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True"),
      );
      return ready.length === old.length || notYet(`${ready.length} of ${old.length} are ready`);
    },
    { deadline: 90_000 },
  );
}

async function large(): Promise<Pod> {
  if (rig().session.outputs?.checkpoint.source !== "propagator") lacks("a propagator that the tests may restart");
  const pod = await rig().make(scope(), server(256));
  await rig().pods.ready(pod);
  return pod;
}

describe("@serial a propagator that is restarted in the middle of a dump", () => {
  test("goes on with it when its server is replaced, and makes it once", async () => {
    const pod = await large();
    const { node, pods } = rig();
    const before = await node.stored();
    const secret = (await pods.ask(pod)).split(" ")[0];
    const action = await rig().start(pod);
    await replaced("server");
    await rig().reopen();
    const made = await rig().made(scope(), action);
    expect((await node.stored()).filter((id) => !before.includes(id))).toEqual([made.id]);
    await pods.remove(pod);
    expect((await pods.ask(await rig().restore(scope(), made, pod))).split(" ")[0]).toBe(secret);
  });

  test("lets it end first when its agent is told to end", async () => {
    const pod = await large();
    const { node, client } = rig();
    const action = await rig().start(pod);
    await waitFor(
      "the beginning of the dump",
      async () => (await client.checkpointStatus(action)).status !== "initialized" || notYet("it is not begun"),
      { deadline: 30_000, interval: 5 },
    );
    await replaced("agent");
    const made = await rig().made(scope(), action);
    expect(await node.stored()).toContain(made.id);
    expect(await rig().pods.health(pod)).toEqual({ ready: true, restarts: 0 });
  });
});
