import { randomUUID } from "node:crypto";
import { notYet, waitFor } from "../support/wait";
import { useRig } from "./support/rig";
import { afresh, restored, server } from "./support/workloads";

const { rig, scope } = useRig();

describe("a server that the node's own program dumped and restored", () => {
  it("keeps its open connections over a dump, and its restored copy has none of them", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), server());
    const { status } = await pods.ready(pod);
    // One connection, one request before the dump and one after it.
    const talk = `import http.client, os, time; c = http.client.HTTPConnection("${status!.podIP}", 8080)
c.request("GET", "/"); print(c.getresponse().read().decode().split()[0], flush=True)
while not os.path.exists("/go"): time.sleep(0.05)
c.request("GET", "/"); print(c.getresponse().read().decode().split()[0], flush=True)`;
    const client = await node.make(scope(), {
      ...afresh(pod),
      spec: {
        ...pod.spec,
        containers: [{ ...pod.spec.containers[0], command: ["python3", "-c", talk], readinessProbe: undefined }],
        restartPolicy: "Never",
      },
    });
    const secret = await pods.logged(client, /^[0-9a-f]{32}$/);
    const { id } = await node.checkpoint(scope(), pod);
    await pods.exec(client, "touch", "/go");
    await waitFor(
      "a second answer on the same connection",
      async () => {
        const lines = (await pods.log(client)).trim().split("\n");
        return (lines.length === 2 && lines[1] === secret) || notYet(`the client said ${JSON.stringify(lines)}`);
      },
      { deadline: 30_000 },
    );
    await pods.remove(pod);
    const copy = await node.make(scope(), restored(pod, id));
    await pods.ready(copy);
    expect((await pods.ask(copy)).split(" ")[0]).toBe(secret);
  });

  it("starts from its beginning when it ends in a restored pod, as any container does", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), server());
    await pods.ready(pod);
    const { id } = await node.checkpoint(scope(), pod);
    const [secret] = (await pods.ask(pod)).split(" ");
    const copy = await node.make(scope(), restored(pod, id));
    await pods.ready(copy);
    expect((await pods.ask(copy)).split(" ")[0]).toBe(secret);
    // A process's own kernel ignores signals from within that it has no handler for: the node ends it.
    const state = JSON.parse(
      await node.run("cat", `/run/containerd/runc/k8s.io/${await node.containerOf(copy)}/state.json`),
    ) as { init_process_pid: number };
    await node.run("kill", "-9", String(state.init_process_pid));
    await waitFor(
      "a restart",
      async () => {
        const [status] = (await pods.state(copy)).status!.containerStatuses ?? [];
        return (
          (status?.restartCount === 1 && status.ready) ||
          notYet(`restarts: ${status?.restartCount}, ready: ${status?.ready}`)
        );
      },
      { deadline: 60_000 },
    );
    expect((await pods.ask(copy)).split(" ")[0]).not.toBe(secret);
  });
});

describe("a checkpoint in another store", () => {
  it("is found by the runtime, which nobody told of that store, until it is removed", async () => {
    const { node, pods } = rig();
    const elsewhere = ["env", "RUNC_CR_STORE=/var/lib/kubelet/checkpoints", "runc-cr"];
    const id = randomUUID();
    const pod = await node.make(scope(), server());
    await pods.ready(pod);
    const [secret] = (await pods.ask(pod)).split(" ");
    scope().add("the store", () => node.run("rm", "-r", "/var/lib/kubelet/checkpoints"));
    await node.run(...elsewhere, "dump", "--container", await node.containerOf(pod), "--id", id);
    const copy = await node.make(scope(), restored(pod, id));
    await pods.ready(copy);
    expect((await pods.ask(copy)).split(" ")[0]).toBe(secret);
    await node.run(...elsewhere, "remove", id);
    expect(await pods.event(await node.make(scope(), restored(pod, id)), /runc-cr/)).toContain("checkpoint_not_found");
  });
});
