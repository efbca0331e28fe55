import { randomUUID } from "node:crypto";
import { Scope } from "../support/scope";
import { notYet, waitFor } from "../support/wait";
import { Node } from "./node";
import { afresh, counter, type Pod, restored, server, withVolumes } from "./workloads";

let node: Node;
let scope: Scope;
beforeAll(async () => { node = await Node.ofStack(); });
beforeEach(() => { scope = new Scope(); });
afterEach(() => scope.close());

/** What a counter is known by: the word in its memory, how far it came, and its files. */
interface Identity { word: string; count: number; marker: string; links: string; deleted: boolean }

/** @param first takes the log's first line instead of its last: where the process went on */
async function identityOf(pod: Pod, first = false): Promise<Identity> {
  await node.logged(pod, /^\d+ \d+$/);
  const lines = (await node.kubectl("logs", pod.metadata.name)).split("\n").filter((line) => /^\d+ \d+$/.test(line));
  const [word, count] = (first ? lines[0] : lines.at(-1))!.split(" ");
  return {
    word: word!, count: Number(count), marker: await node.exec(pod, "cat", "/marker"), links: await node.exec(pod, "stat", "-c", "%h", "/made/same"),
    deleted: await node.exec(pod, "sh", "-c", "test -e /etc/debian_version || echo gone") === "gone",
  };
}

/** Names what tells a pod's process from the one that was dumped; nothing where it is the same, gone on. */
function differences(dumped: Identity, now: Identity): string[] {
  const { count: before, ...fixed } = dumped;
  const { count: after, ...found } = now;
  const other = (Object.keys(fixed) as (keyof typeof fixed)[]).filter((key) => fixed[key] !== found[key]);
  return after >= before ? other : [...other, "count"];
}

async function grows(pod: Pod, count: number): Promise<void> {
  await waitFor(`more than ${count} from ${pod.metadata.name}`, async () => {
    const now = Number((await node.kubectl("logs", pod.metadata.name, "--tail=1")).split(" ")[1]);
    return now > count || notYet(`it is at ${now}`);
  }, { deadline: 30_000 });
}

describe("a counter", () => {
  it("goes on after its dump, and in a new pod with its memory, files and deletions, twice in a row", async () => {
    let pod = await node.make(scope, counter);
    await node.ready(pod);
    await node.logged(pod, /^\d+ [5-9]$/);
    const original = await identityOf(pod);
    for (const round of [1, 2]) {
      const before = await identityOf(pod);
      const { id } = await node.checkpoint(scope, pod);
      await grows(pod, (await identityOf(pod)).count);
      await node.remove(pod);
      pod = await node.make(scope, restored(pod, id));
      const state = await node.ready(pod);
      expect({ round, differences: differences(before, await identityOf(pod, true)), word: (await identityOf(pod)).word }).toEqual({ round, differences: [], word: original.word });
      expect(state.status.containerStatuses![0]!.restartCount).toBe(0);
      await grows(pod, (await identityOf(pod)).count);
    }
  });

  it("that starts afresh is told from a restored one by these checks", async () => {
    const pod = await node.make(scope, counter);
    await node.ready(pod);
    await node.logged(pod, /^\d+ \d\d$/);
    const other = await node.make(scope, afresh(pod));
    await node.ready(other);
    expect(differences(await identityOf(pod), await identityOf(other, true))).toEqual(["word", "marker", "count"]);
  });

  it("is restored again from the same checkpoint after its restored pod was deleted", async () => {
    const pod = await node.make(scope, counter);
    await node.ready(pod);
    const before = await identityOf(pod);
    const { id } = await node.checkpoint(scope, pod);
    await node.remove(pod);
    for (let time = 1; time <= 2; time++) {
      const copy = await node.make(scope, restored(pod, id));
      await node.ready(copy);
      expect(differences(before, await identityOf(copy, true))).toEqual([]);
      await node.remove(copy);
    }
  });
});

describe("a checkpoint in another store", () => {
  it("is found by the runtime, which nobody told of that store, until it is removed", async () => {
    const elsewhere = ["env", "RUNC_CR_STORE=/var/lib/kubelet/checkpoints", "runc-cr"];
    const id = randomUUID();
    const pod = await node.make(scope, server());
    await node.ready(pod);
    const [secret] = (await node.ask(pod)).split(" ");
    scope.add("the store", () => node.run(["rm", "-r", "/var/lib/kubelet/checkpoints"]));
    await node.run([...elsewhere, "dump", "--container", await node.containerOf(pod), "--id", id]);
    const copy = await node.make(scope, restored(pod, id));
    await node.ready(copy);
    expect((await node.ask(copy)).split(" ")[0]).toBe(secret);
    await node.run([...elsewhere, "remove", id]);
    expect(await node.event(await node.make(scope, restored(pod, id)), /runc-cr/)).toContain("checkpoint_not_found");
  });
});

describe("a server with threads", () => {
  it("answers from a restored pod with the secret of its memory, and can be dumped again", async () => {
    let pod = await node.make(scope, server());
    await node.ready(pod);
    const [secret, , marker] = (await node.ask(pod)).split(" ");
    for (const round of [1, 2]) {
      const count = Number((await node.ask(pod)).split(" ")[1]);
      const { id } = await node.checkpoint(scope, pod);
      await node.remove(pod);
      pod = await node.make(scope, restored(pod, id));
      await node.ready(pod);
      const answer = (await node.ask(pod)).split(" ");
      expect([round, answer[0], answer[2], answer[3]]).toEqual([round, secret, marker, "True"]);
      expect(Number(answer[1])).toBeGreaterThanOrEqual(count);
    }
    expect(await node.exec(pod, "cat", "/marker")).toBe(marker);
  });

  it("keeps its open connections over a dump, and its restored copy has none of them", async () => {
    const pod = await node.make(scope, server());
    const { status } = await node.ready(pod);
    // One connection, one request before the dump and one after it.
    const talk = `import http.client, sys; c = http.client.HTTPConnection("${status.podIP}", 8080)
c.request("GET", "/"); print(c.getresponse().read().decode().split()[0], flush=True); sys.stdin.readline(); c.request("GET", "/"); print(c.getresponse().read().decode().split()[0], flush=True)`;
    const client = await node.make(scope, { ...afresh(pod), spec: { ...pod.spec, containers: [{ ...pod.spec.containers[0], command: ["python3", "-c", talk], stdin: true, stdinOnce: true, readinessProbe: undefined }], restartPolicy: "Never" } });
    const secret = await node.logged(client, /^[0-9a-f]{32}$/);
    const { id } = await node.checkpoint(scope, pod);
    await node.run(["kubectl", "attach", "-i", client.metadata.name], "go on\n");
    await waitFor("a second answer on the same connection", async () => {
      const lines = (await node.kubectl("logs", client.metadata.name)).trim().split("\n");
      return (lines.length === 2 && lines[1] === secret) || notYet(`the client said ${JSON.stringify(lines)}`);
    }, { deadline: 30_000 });
    await node.remove(pod);
    const copy = await node.make(scope, restored(pod, id));
    await node.ready(copy);
    expect((await node.ask(copy)).split(" ")[0]).toBe(secret);
  });

  it("starts from its beginning when it ends in a restored pod, as any container does", async () => {
    const pod = await node.make(scope, server());
    await node.ready(pod);
    const { id } = await node.checkpoint(scope, pod);
    const [secret] = (await node.ask(pod)).split(" ");
    const copy = await node.make(scope, restored(pod, id));
    await node.ready(copy);
    expect((await node.ask(copy)).split(" ")[0]).toBe(secret);
    // A process's own kernel ignores signals from within that it has no handler for: the node ends it.
    const state = JSON.parse(await node.run(["cat", `/run/containerd/runc/k8s.io/${await node.containerOf(copy)}/state.json`])) as { init_process_pid: number };
    await node.run(["kill", "-9", String(state.init_process_pid)]);
    await waitFor("a restart", async () => {
      const [status] = (await node.state(copy)).status.containerStatuses ?? [];
      return (status?.restartCount === 1 && status.ready) || notYet(`restarts: ${status?.restartCount}, ready: ${status?.ready}`);
    }, { deadline: 60_000 });
    expect((await node.ask(copy)).split(" ")[0]).not.toBe(secret);
  });

  it("keeps files in the pod's own volumes, and shared memory, with what is open in them", async () => {
    const pod = await node.make(scope, withVolumes);
    await node.logged(pod, /^here$/);
    const { id, manifest } = await node.checkpoint(scope, pod);
    expect(Object.keys(manifest["volumes"] as object).sort()).toEqual(["/dev/shm", "/memory", "/scratch"]);
    await node.remove(pod);
    const copy = await node.make(scope, restored(pod, id));
    await node.ready(copy);
    await node.exec(copy, "touch", "/scratch/go");
    expect(await node.logged(copy, /^files/)).toBe("files open closed memory shared");
  });

  it("with 100 MB of memory is dumped whole", async () => {
    const pod = await node.make(scope, server(100));
    await node.ready(pod);
    const [secret] = (await node.ask(pod)).split(" ");
    const { id, manifest } = await node.checkpoint(scope, pod);
    expect(manifest["memoryBytes"]).toBeGreaterThan(100 * 2 ** 20);
    await node.remove(pod);
    const copy = await node.make(scope, restored(pod, id));
    await node.ready(copy);
    expect((await node.ask(copy)).split(" ")[0]).toBe(secret);
  });
});
