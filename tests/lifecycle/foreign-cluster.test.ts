import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { kubeconfigFile } from "../../infra/naming";
import { namespaceOfPreview } from "../../infra/preview";
import { Kube } from "../support/kube";
import { notYet, waitFor } from "../support/wait";
import { type HostState, lookAtHost, ROOT } from "./host";
import { docker, on, type Planted, removals, run, untouched, volume } from "./planted";
import { onK3s, stackFile } from "./stack-file";

// What others made under a stack's names while it was up. One k3s cluster, which is also somebody's existing one.
jest.setTimeout(300_000);

const CLUSTER = `bay-foreign-cluster-${process.pid}`;
const [SHARED, EXISTING, SPACE] = ["foreign-cluster", "foreign-existing", "foreign-space"] as const;
const CONTEXT = join(ROOT, "artifacts", "foreign.yaml");

let before: HostState;
let files: string[] = [];
let planted: Planted[] = [];
let kube: Kube;
beforeAll(() => {
  files = [stackFile(SHARED, { clusterName: CLUSTER, k3sAgents: 1 })];
  before = lookAtHost();
});
afterEach(() => {
  for (const { remove } of planted) remove();
  planted = [];
});
afterAll(async () => {
  for (const stack of [EXISTING, SHARED]) await on("down", stack);
  for (const path of files) rmSync(path, { force: true });
});

const space = (name: string) =>
  kube.read<{ metadata: { name: string; uid: string } }>({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

onK3s("the stack comes up", async () => {
  expect(await on("up", SHARED)).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
  const [, kubeconfig] = await on("kubeconfig", SHARED);
  mkdirSync(dirname(CONTEXT), { recursive: true });
  writeFileSync(CONTEXT, kubeconfig.slice(kubeconfig.indexOf("apiVersion:")), { mode: 0o600 });
  kube = new Kube(readFileSync(CONTEXT, "utf8"));
  files.push(
    CONTEXT,
    stackFile(EXISTING, {
      backend: "existing",
      kubeconfig: CONTEXT,
      kubeContext: "default",
      namespace: SPACE,
      checkpoint: true,
      checkpointTimeout: 60,
    }),
  );
});

onK3s("namespaces and a Helm release of somebody else: both names are looked at before anything is made", async () => {
  const ns = async (name: string) => {
    await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    return (await space(name))!.metadata.uid;
  };
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: "sh.helm.release.v1.propagator.v1",
      namespace: `${SPACE}-checkpoint`,
      labels: { owner: "helm", name: "propagator", status: "pending-install", version: "1" },
    },
    stringData: { release: "mine" },
  };
  const uid = await ns(`${SPACE}-checkpoint`);
  await kube.create(secret as never);
  const identity = async () => [
    (await space(`${SPACE}-checkpoint`))?.metadata.uid,
    (await kube.read<{ metadata: { name: string; uid: string } }>(secret as never))?.metadata.uid,
  ];
  const found = await identity();
  expect(found[0]).toBe(uid);
  for (const command of [
    async () => {
      expect(await on("up", EXISTING)).toEqual([
        2,
        expect.stringMatching(
          new RegExp(
            `E_NAMESPACE_FOREIGN[\\s\\S]*namespace ${SPACE}-checkpoint exists[\\s\\S]*checkpointNamespace NAME`,
          ),
        ),
      ]);
    },
    ...removals(EXISTING),
  ]) {
    await command();
    expect([await identity(), await space(SPACE)]).toEqual([found, undefined]);
  }
  await kube.remove({ apiVersion: "v1", kind: "Namespace", metadata: { name: `${SPACE}-checkpoint` } });
});

onK3s(
  "a namespace that took the name of the stack's own: down leaves it, and the next up works once it is gone",
  async () => {
    stackFile(EXISTING, {
      backend: "existing",
      kubeconfig: CONTEXT,
      kubeContext: "default",
      namespace: SPACE,
      checkpoint: false,
    });
    expect(await on("up", EXISTING)).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    const theirs = await replaced(SPACE);
    expect(await on("up", EXISTING)).toEqual([
      2,
      expect.stringMatching(new RegExp(`E_NAMESPACE_FOREIGN[\\s\\S]*namespace ${SPACE} exists, made by somebody else`)),
    ]);
    expect((await space(SPACE))!.metadata.uid).toBe(theirs);
    await gone(SPACE);
    expect(await on("up", EXISTING)).toEqual([0, expect.stringMatching(/Bay is pod bay/)]);
    const again = await replaced(SPACE);
    for (const command of removals(EXISTING)) {
      await command();
      expect((await space(SPACE))?.metadata.uid).toBe(again);
    }
    await gone(SPACE);
  },
);

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
  planted.push(volume(`${CLUSTER}-k3s`));
  await untouched(planted, [
    async () => {
      expect(await on("down", SHARED)).toEqual([
        0,
        expect.stringMatching(new RegExp(`volume ${CLUSTER}-k3s was made by somebody else since: it stays`)),
      ]);
    },
  ]);
  for (const { remove } of planted) remove();
  planted = [];
  rmSync(CONTEXT, { force: true });
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
  await waitFor(
    `the end of namespace ${name}`,
    async () => (await space(name)) === undefined || notYet("it is being deleted"),
    { deadline: 90_000 },
  );
}
