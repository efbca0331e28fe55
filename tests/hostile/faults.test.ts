import type { V1Pod } from "@kubernetes/client-node";
import { commandOnHost, nodeContainer } from "../checkpoint/support/node";
import { type Answer, expectStatus } from "../support/bay-client";
import type { Sandbox } from "../support/bay-types";
import { lacks } from "../support/lacking";
import { uniqueName } from "../support/names";
import { bay, cluster, newSandbox, owned, perTest, stack } from "../support/suite";
import { notYet, waitFor } from "../support/wait";

const mine = perTest();
const { namespace, pod: name } = stack;
/** Where runc keeps the state of a pod's container on the nodes of k3s and kind. */
const RUNC_STATE = "/run/containerd/runc/k8s.io";

/** Kills the first process of a pod's container from the node, as the kernel does when memory runs out. */
async function killContainer(pod: V1Pod): Promise<void> {
  const node = nodeContainer(stack) ?? lacks("a node that is a container of this host");
  const id = pod.status!.containerStatuses![0]!.containerID!.replace("containerd://", "");
  const state = await commandOnHost("docker", ["exec", node, "cat", `${RUNC_STATE}/${id}/state.json`]);
  if (state.exitCode !== 0) throw new Error(`the state of container ${id} on ${node}: ${state.stderr}`);
  const { init_process_pid: pid } = JSON.parse(state.stdout) as { init_process_pid: number };
  const killed = await commandOnHost("docker", ["exec", node, "sh", "-c", `kill -9 ${pid}`]);
  if (killed.exitCode !== 0) throw new Error(`kill -9 ${pid} on ${node}: ${killed.stderr}`);
}

const restarts = (pod: V1Pod | undefined): number => pod?.status?.containerStatuses?.[0]?.restartCount ?? 0;

/** What became of a call: its answer, or nothing where the connection broke. */
const outcome = <T>(call: Promise<Answer<T>>): Promise<Answer<T> | undefined> => call.catch(() => undefined);

describe("a service that is killed with -9 in the middle of its work @serial", () => {
  it("Bay keeps all that it acknowledged, and makes nothing twice", async () => {
    const pod = (await cluster.kube.pod(namespace, name))!;
    const worker = await newSandbox(mine);
    expectStatus(await worker.python("kept = 1"), 200);
    const keys = Array.from({ length: 24 }, () => uniqueName("killed"));
    const create = (key: string) => bay.createSandbox({ ttl: 3600 }, { headers: { "Idempotency-Key": key } });
    const executions: string[] = [];
    let acknowledged = 0;
    const created = keys.map(async (key, index) => {
      await waitFor("its turn", () => acknowledged >= index - 4 || notYet(`${acknowledged} are made`), {
        deadline: 30_000,
        interval: 5,
      });
      const answer = await outcome(create(key));
      acknowledged += 1;
      if (answer) owned(mine, expectStatus(answer, 201).id);
      return answer?.data;
    });
    const executing = (async () => {
      for (
        let answer = await outcome(worker.python("kept += 1"));
        answer?.status === 200;
        answer = await outcome(worker.python("kept += 1"))
      ) {
        executions.push(answer.data.execution_id);
      }
    })();
    await waitFor(
      "half of the sandboxes, and some calls",
      () =>
        (acknowledged >= keys.length / 2 && executions.length > 0) ||
        notYet(`${acknowledged} sandboxes, ${executions.length} calls`),
      { deadline: 60_000, interval: 5 },
    );
    await killContainer(pod);
    const answers: (Sandbox | undefined)[] = await Promise.all(created);
    await executing;
    await waitFor(
      "Bay's next start",
      async () => {
        const now = await cluster.kube.pod(namespace, name);
        return (
          (restarts(now) > restarts(pod) && now?.status?.containerStatuses?.[0]?.ready) ||
          notYet(`${restarts(now)} restarts`)
        );
      },
      { deadline: 60_000 },
    );

    // What was acknowledged is there; what was not is made now, by the same key, and once.
    for (const answer of answers)
      if (answer) expect(expectStatus(await bay.sandbox(answer.id).get(), 200)).toEqual(answer);
    const ids = await Promise.all(
      keys.map(async (key, index) => {
        const { id } = expectStatus(await create(key), 201);
        if (answers[index]) expect(id).toBe(answers[index].id);
        else owned(mine, id);
        return id;
      }),
    );
    expect(new Set(ids).size).toBe(keys.length);
    const listed = expectStatus(await bay.listSandboxes({ limit: 200 }), 200).items.map(({ id }) => id);
    expect(listed.sort()).toEqual([...ids, worker.id].sort());
    for (const id of executions)
      expect(expectStatus(await worker.execution(id), 200)).toMatchObject({ id, success: true });
    // The session and its variables outlived Bay: at least each acknowledged call counted.
    expect(Number(expectStatus(await worker.python("print(kept)"), 200).output)).toBeGreaterThanOrEqual(
      executions.length + 1,
    );
  });

  it("Ship leaves each file as it was before or as it was to be", async () => {
    const sandbox = await newSandbox(mine);
    const version = (digit: string) => digit.repeat(4_000_000);
    expectStatus(await sandbox.writeFile("file.txt", version("0")), 200);
    let written = 0;
    const writing = (async () => {
      for (let at = 1; at < 10; at += 1) {
        const answer = await outcome(sandbox.writeFile("file.txt", version(String(at))));
        if (answer?.status !== 200) return at;
        written = at;
      }
      return 9;
    })();
    await waitFor("a write", () => written >= 2 || notYet(`${written} writes`), { deadline: 60_000, interval: 1 });
    await killContainer(await cluster.sessionPod(sandbox.id));
    const last = await writing;
    await waitFor(
      "the next session",
      async () => (await outcome(sandbox.list()))?.status === 200 || notYet("it does not answer yet"),
      { deadline: 60_000 },
    );
    const { content } = expectStatus(await sandbox.readFile("file.txt"), 200);
    expect([content.length, new Set(content).size]).toEqual([4_000_000, 1]);
    expect([written, last].map(String)).toContain(content[0]);
    expect(expectStatus(await sandbox.list(), 200).entries.map(({ name: file }) => file)).not.toContainEqual(
      expect.stringMatching(/tmp|part/),
    );
  });
});
