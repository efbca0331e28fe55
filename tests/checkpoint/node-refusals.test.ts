import { randomUUID } from "node:crypto";
import { useRig } from "./support/rig";
import { boundServer, counter, type Make, python, restored, server } from "./support/workloads";

const { rig, scope } = useRig();

const FOREVER = "print('here', flush=True); import time; time.sleep(1e6)";

/** A child that asks to be traced stops at its exec, and waits for its parent. */
const TRACED = `import ctypes, os
pid = os.fork()
if pid == 0:
    ctypes.CDLL(None).ptrace(0, 0, 0, 0)
    os.execvp("sleep", ["sleep", "1000000"])
os.waitpid(pid, os.WUNTRACED)
${FOREVER}`;

describe("a dump is refused by name, and the container goes on", () => {
  const cases: [string, string, Make][] = [
    ["tty", "a container with a terminal", python(FOREVER, { tty: true })],
    [
      "deleted_mapping",
      "a process that maps a deleted file",
      python(
        `import mmap, os; f = open("/mapped", "w+b"); f.truncate(4096); m = mmap.mmap(f.fileno(), 4096); os.unlink("/mapped"); ${FOREVER}`,
      ),
    ],
    [
      "deleted_mapping",
      "Python's multiprocessing semaphores",
      python(`import multiprocessing; lock = multiprocessing.Lock(); ${FOREVER}`),
    ],
    ["traced", "a process under a debugger", python(TRACED)],
  ];
  it.each(cases)("%s: %s", async (code, _, make) => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), make);
    await pods.ready(pod);
    await pods.logged(pod, /here/);
    const { exitCode, failure } = await node.dump(scope(), pod);
    expect({ exitCode, code: failure?.code }).toEqual({ exitCode: 1, code });
    expect((await pods.state(pod)).status!.containerStatuses).toMatchObject([{ ready: true, restartCount: 0 }]);
  });

  it("not_permitted: a user other than root, unless the node has CAP_SYS_RESOURCE and can", async () => {
    const { node, pods } = rig();
    const { value } = await node.runcCr("check");
    const able = (value as { checks: { name: string; ok: boolean }[] }).checks.find(
      ({ name }) => name === "capability",
    )!.ok;
    const pod = await node.make(
      scope(),
      python(FOREVER, { securityContext: { runAsUser: 1000, capabilities: { drop: ["ALL"] } } }),
    );
    await pods.logged(pod, /here/);
    expect((await node.dump(scope(), pod)).failure?.code).toBe(able ? undefined : "not_permitted");
  });

  it("too_large: more than it may take", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), counter);
    await pods.ready(pod);
    expect((await node.dump(scope(), pod, "--max-bytes", "100000")).failure).toMatchObject({
      code: "too_large",
      criu: [],
    });
  });

  it("container_not_found: an id that nobody has", async () => {
    const { node } = rig();
    expect((await node.runcCr("dump", "--container", "0".repeat(64), "--id", randomUUID())).failure?.code).toBe(
      "container_not_found",
    );
  });

  it("exists: an id that a checkpoint has", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), counter);
    await pods.ready(pod);
    const { id } = await node.checkpoint(scope(), pod);
    expect((await node.runcCr("dump", "--container", await node.containerOf(pod), "--id", id)).failure?.code).toBe(
      "exists",
    );
  });
});

describe("a restore that cannot be says why in the pod's events, and never starts the application instead", () => {
  it("checkpoint_not_found: no checkpoint of that id", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), restored(counter(node.image, node.runtimeClass), randomUUID()));
    expect(await pods.event(pod, /runc-cr/)).toMatch(
      /runc-cr: restore of [0-9a-f-]{36}: checkpoint_not_found: no checkpoint [0-9a-f-]{36} on this node/,
    );
    expect((await pods.state(pod)).status!.containerStatuses).toMatchObject([{ ready: false }]);
    // A container that never started has no log.
    expect(await pods.log(pod).catch(({ code }: { code: number }) => (code === 400 ? "" : `status ${code}`))).toBe("");
  });

  it("usage: a path in place of an id", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), restored(counter(node.image, node.runtimeClass), "../../etc"));
    expect(await pods.event(pod, /runc-cr/)).toMatch(/usage: .*no UUID/);
  });

  it("checkpoint_broken: one byte of its memory was changed", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), counter);
    await pods.ready(pod);
    const { id } = await node.checkpoint(scope(), pod);
    await node.run(
      "dd",
      "if=/dev/zero",
      `of=/var/lib/runc-cr/${id}/checkpoint/pages-1.img`,
      "bs=1",
      "count=1",
      "seek=4096",
      "conv=notrunc",
    );
    // The byte may have been zero before.
    await node.run(
      "sh",
      "-c",
      `printf x | dd of=/var/lib/runc-cr/${id}/checkpoint/pages-1.img bs=1 seek=4097 conv=notrunc`,
    );
    expect((await node.runcCr("verify", id)).failure?.code).toBe("checkpoint_broken");
    const copy = await node.make(scope(), restored(pod, id));
    expect(await pods.event(copy, /runc-cr/)).toMatch(/checkpoint_broken: checkpoint\/pages-1.img/);
  });

  it("wrong_container: the checkpoint of another container", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), counter);
    await pods.ready(pod);
    const { id } = await node.checkpoint(scope(), pod);
    const other = restored(pod, id);
    const copy = await node.make(scope(), {
      ...other,
      spec: { ...other.spec, containers: [{ ...other.spec.containers[0], name: "other" }] },
    });
    expect(await pods.event(copy, /runc-cr/)).toMatch(
      /wrong_container: the checkpoint is of container "app", and this is "other"/,
    );
  });

  it("restore_failed, with CRIU's own error lines: a listener at the old pod's address", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), boundServer);
    await pods.ready(pod);
    const { id } = await node.checkpoint(scope(), pod);
    const copy = await node.make(scope(), restored(pod, id));
    expect(await pods.event(copy, /runc-cr/)).toMatch(
      /restore_failed: runc restore: exit status 1; CRIU: .*Error .*[Bb]ind/,
    );
  });
});

describe("the node", () => {
  it("has every piece that checkpoints need", async () => {
    const { node } = rig();
    const { exitCode, value } = await node.runcCr("check");
    expect({ exitCode, ok: value?.["ok"] }).toEqual({ exitCode: 0, ok: true });
  });

  it("lists a checkpoint until it is removed, and then has its room back", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), server(8));
    await pods.ready(pod);
    const { id, manifest } = await node.checkpoint(scope(), pod);
    const listed = async () =>
      (await node.runcCr("list")).value as { checkpoints: { id: string; container: { pod: string } }[] };
    expect((await listed()).checkpoints.find((each) => each.id === id)?.container).toMatchObject({
      pod: pod.metadata.name,
      name: "app",
      namespace: pods.namespace,
    });
    expect((await node.runcCr("verify", id)).value?.["checksum"]).toBe(manifest["checksum"]);
    const removed = (await node.runcCr("remove", id)).value as { removed: boolean; bytes: number };
    expect(removed).toMatchObject({ removed: true });
    expect(removed.bytes).toBeGreaterThan(8 * 2 ** 20);
    expect((await listed()).checkpoints.map((each) => each.id)).not.toContain(id);
  });

  it("keeps checkpoints for root alone", async () => {
    const { node, pods } = rig();
    const pod = await node.make(scope(), counter);
    await pods.ready(pod);
    const { id } = await node.checkpoint(scope(), pod);
    const modes = await node.run(
      "sh",
      "-c",
      `stat -L -c '%a %u' /var/lib/runc-cr /var/lib/runc-cr/${id} /var/lib/runc-cr/${id}/manifest.json`,
    );
    expect(modes.trim().split("\n")).toEqual(["700 0", "700 0", "600 0"]);
  });
});
