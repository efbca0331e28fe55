import { copyFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { type Entry, cached, recipeHash, withLock } from "../cache";
import { DEBIAN_ARCH } from "../host/debian";
import { goBuild } from "../host/go";
import { VERSIONS } from "../versions";
import { buildImage, importFolder, saveImage } from "./docker";
import { withScratch } from "../scratch";
import { makeRootfs, type Rootfs } from "./rootfs";

const MODULE = join(__dirname, "..", "go", "kube");
const RECIPE = ["Dockerfile", "containerd.toml"].map((name) => join(__dirname, "..", "node", name));

/** The node's operating system: what a kubelet, containerd and checkpoints need. */
const ROOTFS: Rootfs = {
  suite: VERSIONS.suites.node,
  include: ["containerd", "runc", "criu", "containernetworking-plugins", "iptables", "conntrack", "socat", "procps", "kmod", "iproute2", "ca-certificates", "jq"],
  remove: ["usr/lib/cni/dhcp", "usr/share/zoneinfo/*"],
};

const release = `v${VERSIONS.kubernetes}`;
const [major, minor] = VERSIONS.kubernetes.split(".");

/** The programs of the node, by file name. */
const PROGRAMS: Record<string, { package: string; variables?: Record<string, string> }> = {
  kube: {
    package: "./components",
    variables: { "k8s.io/component-base/version.gitVersion": release, "k8s.io/component-base/version.gitMajor": major!, "k8s.io/component-base/version.gitMinor": minor! },
  },
  coredns: { package: "./coredns" },
  k3s: { package: "./node", variables: { "main.version": release, "main.contract": VERSIONS.k3s.replace("-k3s", "+k3s") } },
  pause: { package: "./pause" },
};

/** What the node image is made of, as cache entries. */
export function nodeEntries(): { os: Entry; programs: Entry } {
  return {
    os: { name: "node-os", version: VERSIONS.suites.node, hash: recipeHash([], [JSON.stringify(ROOTFS), DEBIAN_ARCH]) },
    programs: { name: "node-programs", version: release, hash: recipeHash([MODULE], [JSON.stringify(PROGRAMS), DEBIAN_ARCH]) },
  };
}

/** The image's name; its tag changes with everything that the image is made from. */
export function nodeImageTag(): string {
  const { os, programs } = nodeEntries();
  return `bay-e2e/node:${release}-${recipeHash(RECIPE, [os.hash, programs.hash])}`;
}

/** Builds the node's Go programs: the longest step of all. */
export async function makeNodePrograms(): Promise<string> {
  return cached(nodeEntries().programs, async (folder) => {
    for (const [name, program] of Object.entries(PROGRAMS)) {
      await goBuild({ module: MODULE, output: join(folder, name), ...program });
    }
  });
}

/** Makes the node's root file system as an image of its own, which node images of later recipes share. */
export async function makeNodeOs(present: (tag: string) => Promise<boolean>): Promise<string> {
  const tag = `bay-e2e/node-os:${nodeEntries().os.hash}`;
  return withLock("node-os-image", async () => {
    if (!(await present(tag))) await withScratch("node-os", async (work) => {
      await makeRootfs(join(work, "root"), ROOTFS, work);
      await importFolder(join(work, "root"), tag);
    });
    return tag;
  });
}

/** Puts the parts together. */
export async function makeNodeImage(os: string, programs: string): Promise<void> {
  await withScratch("node-image", async (work) => {
    const context = join(work, "context");
    mkdirSync(join(context, "kube"), { recursive: true });
    copyFileSync(join(programs, "kube"), join(context, "kube", "kube"));
    for (const name of ["coredns", "k3s"]) copyFileSync(join(programs, name), join(context, name));
    for (const file of RECIPE) copyFileSync(file, join(context, basename(file)));
    mkdirSync(join(work, "pause"));
    copyFileSync(join(programs, "pause"), join(work, "pause", "pause"));
    await importFolder(join(work, "pause"), PAUSE_IMAGE, ["ENTRYPOINT [\"/pause\"]", "USER 65535:65535"]);
    await saveImage(PAUSE_IMAGE, join(context, "pause.tar"));
    await buildImage(context, nodeImageTag(), { OS: os });
  });
}

/** Also named in node/containerd.toml. */
const PAUSE_IMAGE = "bay-e2e/pause:1";
