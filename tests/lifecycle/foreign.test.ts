import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { kubeconfigFile, LABELS, ownerOf } from "../../infra/naming";
import { namespaceOfPreview } from "../../infra/preview";
import { Kube } from "../support/kube";
import { notYet, waitFor } from "../support/wait";
import { type HostState, lookAtHost, ROOT } from "./host";
import { anyImage } from "./images";
import { npmRun } from "./runner";
import { onK3s, stackFile } from "./stack-file";

// What others made under the names that stacks use. One k3s cluster, which is also somebody's existing one.
jest.setTimeout(300_000);

const CLUSTER = `bay-foreign-${process.pid}`;
const [SHARED, KIND, EXISTING] = ["foreign", "foreign-kind", "foreign-existing"] as const;
const SPACE = "foreign-space";
const RUNNER_FILE = join(ROOT, ".state", "run", "notes-2024.json");

const docker = (...argv: string[]) => execFileSync("docker", argv, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
const quietly = (...argv: string[]) => { try { docker(...argv); } catch { /* it is gone */ } };
const run = async (...words: string[]) => { const running = npmRun(words); return [await running.done, running.output()] as const; };
const on = (command: string, stack: string, ...words: string[]) => run(command, "--", "--stack", stack, ...words);

/** Something of somebody else: who it is, and how it goes again. */
interface Planted { what: string; identity: () => string; remove: () => void }

function container(name: string, ...options: string[]): Planted {
  const id = docker("run", "--detach", "--name", name, ...options, anyImage(), "sleep", "infinity");
  return { what: `container ${name}`, identity: () => docker("container", "inspect", "--format", "{{.Id}} {{.State.Running}}", id), remove: () => { quietly("rm", "--force", id); } };
}

function network(name: string): Planted {
  const id = docker("network", "create", name);
  return { what: `network ${name}`, identity: () => docker("network", "inspect", "--format", "{{.Id}}", id), remove: () => { quietly("network", "rm", id); } };
}

/** With a file in it: a volume that was emptied has the same name. */
function volume(name: string): Planted {
  docker("volume", "create", name);
  const inside = (script: string) => docker("run", "--rm", "--user", "0", "--volume", `${name}:/data`, "--entrypoint", "sh", anyImage(), "-c", script);
  inside("echo precious > /data/file");
  return { what: `volume ${name}`, identity: () => `${docker("volume", "inspect", "--format", "{{.CreatedAt}}", name)} ${inside("cat /data/file")}`, remove: () => { quietly("volume", "rm", "--force", name); } };
}

function image(name: string): Planted {
  const id = docker("image", "inspect", "--format", "{{.Id}}", "bay-e2e/node-base:" + docker("image", "ls", "--format", "{{.Tag}}", "bay-e2e/node-base").split("\n")[0]!);
  docker("tag", id, name);
  return { what: `image ${name}`, identity: () => docker("image", "inspect", "--format", "{{.Id}}", name), remove: () => { quietly("image", "rm", name); } };
}

function file(path: string, text: string): Planted {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return { what: `file ${path}`, identity: () => createHash("sha256").update(readFileSync(path)).digest("hex"), remove: () => { rmSync(path, { force: true }); } };
}

/** Makes things of somebody else one by one, so that those before one that fails are removed too. */
function plant(...makers: (() => Planted)[]): void {
  for (const make of makers) planted.push(make());
}

/** Runs commands that remove, and finds everything as it was after each. */
async function untouched(planted: readonly Planted[], commands: readonly (() => Promise<unknown>)[]): Promise<void> {
  const before = planted.map(({ identity }) => identity());
  for (const command of commands) {
    await command();
    expect(planted.map(({ what, identity }) => `${what}: ${identity()}`)).toEqual(planted.map(({ what }, index) => `${what}: ${before[index]!}`));
  }
}

let before: HostState;
let files: string[] = [];
let planted: Planted[] = [];
beforeAll(() => {
  files = [stackFile(SHARED, { clusterName: CLUSTER, k3sAgents: 1 }), stackFile(KIND, { backend: "kind", clusterName: CLUSTER, kindNodes: 2 })];
  before = lookAtHost();
});
afterEach(() => { for (const { remove } of planted) remove(); planted = []; });
afterAll(async () => {
  for (const stack of [EXISTING, SHARED, KIND]) await on("down", stack);
  for (const path of files) rmSync(path, { force: true });
});

/** The commands that remove, on a stack that could not be made. */
const removals = (stack: string) => [
  async () => { expect((await on("down", stack))[0]).toBe(0); }, async () => { expect((await on("sweep", stack, "--yes"))[0]).toBe(0); },
];
/** The same with e2e's own destroy, after an up that is refused. */
const allRemovals = (stack: string) => [...removals(stack), async () => { expect((await on("e2e", stack))[0]).not.toBe(0); }];

describe("in Docker", () => {
  onK3s("a container, a network and volumes with the names of nodes: refused before anything is made, and left by all that removes", async () => {
    plant(
      () => container(CLUSTER), () => network(CLUSTER), () => volume(`${CLUSTER}-k3s`), () => volume(`${CLUSTER}-agent-1-kubelet`),
      () => image(`bay-e2e/bay:${SHARED}`), () => image(`bay-e2e/runner:${SHARED}`), () => file(RUNNER_FILE, "mine"),
    );
    const state = lookAtHost();
    await untouched(planted, [
      async () => {
        const [code, output] = await on("up", SHARED);
        expect([code, output]).toEqual([2, expect.stringMatching(new RegExp(`E_CLUSTER_NAME_TAKEN[\\s\\S]*container ${CLUSTER}, which carries no label[\\s\\S]*network ${CLUSTER},[\\s\\S]*volume ${CLUSTER}-k3s,[\\s\\S]*volume ${CLUSTER}-agent-1-kubelet,[\\s\\S]*next: +pulumi config set --stack ${SHARED} clusterName`))]);
        expect(lookAtHost()).toEqual(state);
      }, ...allRemovals(SHARED),
    ]);
  });

  onK3s("one volume alone: Docker would make it as if it were new", async () => {
    plant(() => volume(`${CLUSTER}-k3s`));
    await untouched(planted, [async () => { expect(await on("up", SHARED)).toEqual([2, expect.stringMatching(new RegExp(`E_CLUSTER_NAME_TAKEN[\\s\\S]*volume ${CLUSTER}-k3s,`))]); }, ...removals(SHARED)]);
  });

  onK3s("a kind cluster of the name, in its own network or in kind's: no network of ours is made, and its nodes stay", async () => {
    const cluster = ["--label", `io.x-k8s.kind.cluster=${CLUSTER}`];
    plant(() => container(`${CLUSTER}-control-plane`, ...cluster), () => container(`${CLUSTER}-extra`, ...cluster));
    const state = lookAtHost();
    await untouched(planted, [
      async () => {
        expect(await on("up", KIND)).toEqual([2, expect.stringMatching(new RegExp(`E_CLUSTER_NAME_TAKEN[\\s\\S]*container ${CLUSTER}-control-plane, a node of the kind cluster ${CLUSTER}, which this stack did not make[\\s\\S]*container ${CLUSTER}-extra`))]);
        expect(lookAtHost()).toEqual(state);
      }, ...allRemovals(KIND),
    ]);
  });

  onK3s("a node in a network of that name that carries our label, as older versions made it before they refused", async () => {
    const own = ownerOf(ROOT, KIND);
    const labels = [[LABELS.owner, own.id], [LABELS.stack, KIND], [LABELS.checkout, ROOT]].flatMap(([key, value]) => ["--label", `${key}=${value}`]);
    plant(() => container(`${CLUSTER}-control-plane`, "--label", `io.x-k8s.kind.cluster=${CLUSTER}`));
    docker("network", "create", ...labels, CLUSTER);
    await untouched(planted, removals(KIND));
    // The network is ours, and went; also where the node of somebody else is connected to it.
    expect(lookAtHost().networks).toEqual(before.networks);
  });

  onK3s("a container of an image that was made from a node: it shows the node's label, and does not have it", async () => {
    const own = ownerOf(ROOT, SHARED);
    const node = docker("create", "--label", `${LABELS.owner}=${own.id}`, anyImage());
    const copy = `bay-foreign-copy:${process.pid}`;
    docker("commit", node, copy);
    docker("rm", node);
    const id = docker("create", copy);
    try {
      planted = [{ what: "the copy's container", identity: () => docker("container", "inspect", "--format", "{{.Id}}", id), remove: () => { quietly("rm", "--force", id); } }];
      await untouched(planted, removals(SHARED));
    } finally {
      quietly("rm", "--force", id);
      docker("image", "rm", copy);
    }
  });
});

describe("a file where a stack would write its own", () => {
  onK3s("is refused and left", async () => {
    plant(() => file(kubeconfigFile(ROOT, SHARED), "a note\n"));
    await untouched(planted, [async () => { expect(await on("up", SHARED)).toEqual([2, expect.stringMatching(/E_FILE_FOREIGN[\s\S]*next: +mv /)]); }, ...removals(SHARED)]);
    plant(() => file(join(ROOT, "stacks", "Pulumi.preview-mine.yaml"), "config:\n  bay-e2e:backend: k3s\n"));
    await untouched(planted, [async () => { expect(await run("preview", "--", "up", "mine", "--from", SHARED)).toEqual([2, expect.stringMatching(/E_FILE_FOREIGN/)]); }]);
  });
});

describe("once the names are free", () => {
  let kube: Kube;
  const space = (name: string) => kube.read<{ metadata: { name: string; uid: string } }>({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

  onK3s("the stack comes up", async () => {
    expect(await on("up", SHARED)).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    const [, kubeconfig] = await on("kubeconfig", SHARED);
    const path = join(ROOT, "artifacts", "foreign.yaml");
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, kubeconfig.slice(kubeconfig.indexOf("apiVersion:")), { mode: 0o600 });
    kube = new Kube(readFileSync(path, "utf8"));
    files.push(path, stackFile(EXISTING, { backend: "existing", kubeconfig: path, kubeContext: "default", namespace: SPACE, checkpoint: true, checkpointTimeout: 60 }));
  });

  onK3s("namespaces and a Helm release of somebody else: both names are looked at before anything is made", async () => {
    const ns = async (name: string) => { await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } }); return (await space(name))!.metadata.uid; };
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "sh.helm.release.v1.propagator.v1", namespace: `${SPACE}-checkpoint`, labels: { owner: "helm", name: "propagator", status: "pending-install", version: "1" } }, stringData: { release: "mine" } };
    const uid = await ns(`${SPACE}-checkpoint`);
    await kube.create(secret as never);
    const identity = async () => [(await space(`${SPACE}-checkpoint`))?.metadata.uid, (await kube.read<{ metadata: { name: string; uid: string } }>(secret as never))?.metadata.uid];
    const found = await identity();
    expect(found[0]).toBe(uid);
    for (const command of [async () => { expect(await on("up", EXISTING)).toEqual([2, expect.stringMatching(new RegExp(`E_NAMESPACE_FOREIGN[\\s\\S]*namespace ${SPACE}-checkpoint exists[\\s\\S]*checkpointNamespace NAME`))]); }, ...removals(EXISTING)]) {
      await command();
      expect([await identity(), await space(SPACE)]).toEqual([found, undefined]);
    }
    await kube.remove({ apiVersion: "v1", kind: "Namespace", metadata: { name: `${SPACE}-checkpoint` } });
  });

  onK3s("a namespace that took the name of the stack's own: down leaves it, and the next up works once it is gone", async () => {
    stackFile(EXISTING, { backend: "existing", kubeconfig: join(ROOT, "artifacts", "foreign.yaml"), kubeContext: "default", namespace: SPACE, checkpoint: false });
    expect(await on("up", EXISTING)).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    const theirs = await replaced(SPACE);
    expect(await on("up", EXISTING)).toEqual([2, expect.stringMatching(new RegExp(`E_NAMESPACE_FOREIGN[\\s\\S]*namespace ${SPACE} exists, made by somebody else`))]);
    expect((await space(SPACE))!.metadata.uid).toBe(theirs);
    await gone(SPACE);
    expect(await on("up", EXISTING)).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    const again = await replaced(SPACE);
    for (const command of removals(EXISTING)) {
      await command();
      expect((await space(SPACE))?.metadata.uid).toBe(again);
    }
    await gone(SPACE);
  });

  onK3s("a namespace that took a preview's: preview down and gc leave it", async () => {
    const name = namespaceOfPreview("taken");
    expect((await run("preview", "--", "up", "taken", "--from", SHARED, "--ttl", "1s"))[0]).toBe(0);
    const theirs = await replaced(name);
    expect((await run("preview", "--", "gc", "--yes"))[0]).toBe(0);
    expect((await space(name))?.metadata.uid).toBe(theirs);
    await run("preview", "--", "down", "taken");
    expect((await space(name))?.metadata.uid).toBe(theirs);
    await gone(name);
  });

  onK3s("a volume that took the name of the stack's own stays at its down", async () => {
    const nodes = [CLUSTER, `${CLUSTER}-agent-1`];
    docker("rm", "--force", "--volumes", ...nodes);
    docker("volume", "rm", `${CLUSTER}-k3s`);
    plant(() => volume(`${CLUSTER}-k3s`));
    await untouched(planted, [async () => { expect(await on("down", SHARED)).toEqual([0, expect.stringMatching(new RegExp(`volume ${CLUSTER}-k3s was made by somebody else since: it stays`))]); }]);
    for (const { remove } of planted) remove();
    planted = [];
    rmSync(join(ROOT, "artifacts", "foreign.yaml"), { force: true });
    rmSync(join(ROOT, "stacks", `Pulumi.${EXISTING}.yaml`), { force: true });
    expect(existsSync(kubeconfigFile(ROOT, SHARED))).toBe(false);
    expect(lookAtHost()).toEqual(before);
  });

  /** Deletes a namespace and makes another of its name; gives its uid. */
  async function replaced(name: string): Promise<string> {
    await gone(name);
    await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    return (await space(name))!.metadata.uid;
  }

  async function gone(name: string): Promise<void> {
    await kube.remove({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    await waitFor(`the end of namespace ${name}`, async () => (await space(name)) === undefined || notYet("it is being deleted"), { deadline: 90_000 });
  }
});
