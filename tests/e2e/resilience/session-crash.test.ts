import { expectStatus, type SandboxClient } from "../../support/bay-client";
import { cluster, newSandbox, perTest, stack } from "../../support/suite";
import { notYet, waitFor } from "../../support/wait";

const mine = perTest();

/** Deletes a sandbox's pod as a node that dies would: without asking it. Gives the uid of the lost pod. */
async function kill(sandbox: SandboxClient): Promise<string> {
  const pod = await cluster.sessionPod(sandbox.id);
  await cluster.kube.deletePod(stack.namespace, pod.metadata!.name!, 0);
  return pod.metadata!.uid!;
}

// Serial as in Bay's own suite: a lost pod frees and takes what others measure.
describe("a sandbox whose pod is lost @resilience @serial", () => {
  it("CRASH-1 answers the next call from a new pod, with its files @slow", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.python("open('kept.txt', 'w').write('kept')"), 200);
    const lost = await kill(sandbox);
    await waitFor(
      "the call after the loss",
      async () => {
        const answer = await sandbox.python("print(open('kept.txt').read())");
        if (answer.status === 503) return notYet("503: the pod is being replaced");
        expect(expectStatus(answer, 200)).toMatchObject({ success: true, output: "kept" });
        // The API forgets the pod before the kubelet ends its container, which may answer once more.
        const pods = await cluster.sessionPods(sandbox.id);
        return (
          (pods.length === 1 && pods[0]!.metadata?.uid !== lost) ||
          notYet("the lost pod's container answered before it ended")
        );
      },
      { deadline: 60_000 },
    );
  });

  it("CRASH-2 is told of as before: reading it never fails @slow", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.python("1"), 200);
    await kill(sandbox);
    await waitFor(
      "removal of its pod under constant reading",
      async () => {
        expect(["idle", "starting", "ready", "failed"]).toContain(expectStatus(await sandbox.get(), 200).status);
        return (await cluster.sessionPods(sandbox.id)).length === 0 || notYet("the pod is still listed");
      },
      { deadline: 30_000 },
    );
    expect(["idle", "starting", "ready", "failed"]).toContain(expectStatus(await sandbox.get(), 200).status);
  });

  it("fails the call that was running by name within seconds, and works again @slow", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.writeFile("mark.txt", "before"), 200);
    const call = sandbox.shell("touch running; sleep 100", { timeout: 110 });
    await waitFor(
      "the call to run",
      async () =>
        expectStatus(await sandbox.list(), 200).entries.some(({ name }) => name === "running") ||
        notYet("it has not begun"),
      { deadline: 30_000 },
    );
    await kill(sandbox);
    const answer = await call;
    expect({
      status: answer.status,
      code: (answer.data as unknown as { error: { code: string } }).error?.code,
    }).toEqual({ status: 502, code: "ship_error" });
    expect(expectStatus(await sandbox.readFile("mark.txt"), 200).content).toBe("before");
  });

  it("lives on when its main process ends by itself @reference @slow", async () => {
    const sandbox = await newSandbox(mine);
    expectStatus(await sandbox.writeFile("mark.txt", "before"), 200);
    const { metadata } = await cluster.sessionPod(sandbox.id);
    // Ship's own process is the container's first; a shell of the same user may end it.
    await sandbox.shell("kill -TERM 1; sleep 30", { timeout: 40 });
    await waitFor(
      "the call after the end of the container",
      async () => {
        const answer = await sandbox.readFile("mark.txt");
        return answer.status === 503 || answer.status === 502
          ? notYet(`answered ${answer.status}`)
          : expectStatus(answer, 200).content === "before";
      },
      { deadline: 60_000 },
    );
    expect((await cluster.sessionPod(sandbox.id)).metadata?.uid).not.toBe(metadata?.uid);
  });
});
