import type { Pod } from "../checkpoint/support/workloads";
import { python } from "../checkpoint/support/workloads";
import { stack } from "../support/suite";
import { notYet, waitFor } from "../support/wait";
import { useNodeRig } from "./support/node-rig";
import { exchange, judge, type Swap, swapper } from "./support/swapper";

const rig = useNodeRig();

/** The node's admin kubeconfig, which only root of the node may read. */
const KUBECONFIG = stack.backend === "kind" ? "/etc/kubernetes/admin.conf" : "/etc/rancher/k3s/k3s.yaml";
const CHECKPOINTS = 3;

/** The archives of a checkpoint that have a part of the node's kubeconfig in them. */
async function leaked(id: string): Promise<string> {
  const { node } = rig();
  // Within the first bytes, of which an honest file's number is read; without characters that mean something to grep.
  const part = /certificate-authority-data: ([\w+/=]{60})/.exec(await node.run("cat", KUBECONFIG))![1]!;
  return (
    await node.run(
      "sh",
      "-c",
      `grep --files-with-matches --fixed-strings -e ${part} /var/lib/runc-cr/${id}/*.tar || true`,
    )
  ).trim();
}

describe("a process that was exec'd into a container puts links to the node's files where its own were, during dumps", () => {
  test.each<[string, Swap]>([
    ["a probe, files of the root file system", { by: "probe", what: "file", folder: "/bait" }],
    ["kubectl exec, folders of the root file system", { by: "exec", what: "folder", folder: "/bait" }],
    ["kubectl exec, files of an emptyDir", { by: "exec", what: "file", folder: "/scratch" }],
  ])("%s: no byte of the node's kubeconfig is in a checkpoint or in the restored pod", async (_name, swap) => {
    const { pods, node } = rig();
    const pod = await rig().make(swapper(swap, KUBECONFIG));
    await pods.logged(pod, /ready/);
    const attack = swap.by === "exec" ? pods.exec(pod, "python3", "-c", exchange(swap, 60)) : undefined;
    await waitFor(
      "the attack",
      async () => {
        const processes = await node.run("sh", "-c", "cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\\0' ' '");
        return processes.includes('call = {"x86_64"') || notYet("no process exchanges names");
      },
      { deadline: 30_000 },
    );
    const made: { id: string; action: string }[] = [];
    for (let at = 0; at < CHECKPOINTS; at += 1) made.push(await rig().checkpoint(pod));
    const found = await Promise.all(made.map(({ id }) => leaked(id)));
    if (attack) {
      await pods.exec(pod, "touch", "/stop");
      // It went on after each dump: it has exchanged more than one round.
      expect(Number(await attack)).toBeGreaterThan(1_000);
    }
    expect(found).toEqual(Array<string>(CHECKPOINTS).fill(""));
    const restored = await rig().restore(made.at(-1)!.action, pod);
    expect(await pods.exec(restored, "python3", "-c", judge(swap))).toBe("0 True");
  });
});

const FILES = 2_000;
/** Writes the same number into many files, one after the other, and then the next number. */
const COUNT = `
import os
files = [os.open(f"/many/{i}", os.O_RDWR | os.O_CREAT) for i in range(${FILES})]
count = 0
while not os.path.exists("/stop"):
    count += 1
    for file in files: os.pwrite(file, b"%012d" % count, 0)
print(count)
`;
const READ = `print(*(int(open(f"/many/{i}").read()) for i in range(${FILES})))`;

describe("a process that was exec'd into a container", () => {
  /** A pod with a process that kubectl exec started, which counts in files until \`stop\` is called. */
  async function counting(): Promise<{
    pod: Pod;
    numbers: (of: Pod) => Promise<number[]>;
    stop: () => Promise<number>;
  }> {
    const { pods } = rig();
    const pod = await rig().make(
      python("import os, time; os.mkdir('/many'); print('ready', flush=True); time.sleep(1e6)"),
    );
    await pods.logged(pod, /ready/);
    const counter = pods.exec(pod, "python3", "-c", COUNT);
    const numbers = async (of: Pod) => (await pods.exec(of, "python3", "-c", READ)).split(" ").map(Number);
    await waitFor(
      "the counter",
      async () => {
        const first = await pods.exec(pod, "sh", "-c", `[ -s /many/${FILES - 1} ] && cat /many/0 || echo 0`);
        return Number(first) > 1 || notYet("it does not count yet");
      },
      { deadline: 30_000 },
    );
    return {
      pod,
      numbers,
      stop: async () => {
        await pods.exec(pod, "touch", "/stop");
        return Number(await counter);
      },
    };
  }

  test("stands still while files are packed, and goes on afterwards", async () => {
    const { pod, numbers, stop } = await counting();
    const { action } = await rig().checkpoint(pod);
    const [after] = await numbers(pod);
    await waitFor("a higher number", async () => (await numbers(pod))[0]! > after! || notYet(`it is at ${after}`), {
      deadline: 10_000,
    });
    await stop();
    const packed = await numbers(await rig().restore(action, pod));
    // Of one moment: the file that it was at, and all before it, are one ahead of the rest.
    const rises = packed.filter((number, at) => at > 0 && number > packed[at - 1]!).length;
    expect({ rises, spread: packed[0]! - packed.at(-1)! }).toEqual({
      rises: 0,
      spread: packed[0] === packed.at(-1) ? 0 : 1,
    });
  });

  test("goes on when the node's tool is killed in a dump, whenever that is, and so does the container's own", async () => {
    const { pods, node } = rig();
    const { pod, numbers, stop } = await counting();
    const container = await node.containerOf(pod);
    for (const milliseconds of [50, 100, 150]) {
      const id = `0c9f0000-0000-4000-8000-${String(milliseconds).padStart(12, "0")}`;
      // The moment is what is tried: a dump of this pod takes some 150 ms.
      await node.run(
        "sh",
        "-c",
        `runc-cr dump --container ${container} --id ${id} > /dev/null 2>&1 & sleep ${milliseconds / 1000}; kill -9 $! 2> /dev/null; wait; runc-cr remove ${id}`,
      );
      const [before] = await numbers(pod);
      await waitFor(
        `a higher number after a kill at ${milliseconds} ms`,
        async () => (await numbers(pod))[0]! > before! || notYet(`it is at ${before}`),
        { deadline: 10_000 },
      );
    }
    await waitFor(
      "the end of what the killed dumps began",
      async () => {
        await node.runcCr("sweep");
        const left = await node.run("sh", "-c", "ls -A /var/lib/runc-cr/ | grep unfinished; true");
        return left.trim() === "" || notYet(left);
      },
      { deadline: 20_000 },
    );
    expect(await pods.health(pod)).toEqual({ ready: true, restarts: 0 });
    await rig().checkpoint(pod);
    expect(await stop()).toBeGreaterThan(0);
  });
});
