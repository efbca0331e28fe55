import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Entry, cached, entryPath, recipeHash, withLock } from "../cache";
import { DEBIAN_ARCH } from "../host/debian";
import { type GoBuild, goBuild } from "../host/go";
import { VERSIONS } from "../versions";
import { buildImage, importFolder, presentImages } from "./docker";
import { withScratch } from "../scratch";
import { makeRootfs, type Rootfs } from "./rootfs";

const GO = join(__dirname, "..", "go");
const RECIPES = join(__dirname, "..", "node");
/** What dumps and restores containers: the product's own, put into every node image. */
const RUNC_CR = join(__dirname, "..", "..", "images", "runc-cr");

/** The node's operating system: what a kubelet, containerd and checkpoints need. */
const ROOTFS: Rootfs = {
  suite: VERSIONS.suites.node,
  include: [
    "containerd",
    "runc",
    "criu",
    "containernetworking-plugins",
    "iptables",
    "conntrack",
    "socat",
    "procps",
    "kmod",
    "iproute2",
    "ca-certificates",
    "jq",
  ],
  remove: ["usr/lib/cni/dhcp", "usr/share/zoneinfo/*"],
};

const CRIU_CONFIG = join(RUNC_CR, "node", "criu.conf");

const release = `v${VERSIONS.kubernetes}`;
const [major, minor] = VERSIONS.kubernetes.split(".");

/** `module` is a folder of `go/`, `kube` by default; `folder` one of the module, the module itself by default. */
type Program = { module?: string; folder?: string } & Pick<GoBuild, "variables" | "tags">;

/** The programs of the node, by file name. */
const PROGRAMS = {
  kube: {
    folder: "components",
    variables: {
      "k8s.io/component-base/version.gitVersion": release,
      "k8s.io/component-base/version.gitMajor": major!,
      "k8s.io/component-base/version.gitMinor": minor!,
    },
  },
  coredns: { folder: "coredns" },
  // gRPC's tracing pages would keep every method of every type in the program, and make it 20 MB larger.
  node: {
    folder: "node",
    tags: ["grpcnotrace"],
    variables: { "main.version": release, "main.contract": VERSIONS.k3s.replace("-k3s", "+k3s") },
  },
  pause: { folder: "pause" },
  // A module of its own: what the engine needs is older than what Kubernetes is made of.
  "network-policies": { module: "netpol" },
} satisfies Record<string, Program>;

/** The contracts that a node image can answer: each is a thin layer on the same system and programs. */
export const NODES = {
  k3s: "bay-e2e/node",
  kind: "bay-e2e/kind-node",
} as const;
export type NodeKind = keyof typeof NODES;

/** A node image's name; its tag changes with everything that the image is made from. */
export function nodeImageTag(kind: NodeKind): string {
  return `${NODES[kind]}:${release}-${recipeHash([join(RECIPES, kind), CRIU_CONFIG], [programsHash(), runcCrEntry().hash])}`;
}

/** What is yet to be done for a node image. */
export interface NodeParts {
  /** The operating system. */
  os: boolean;
  /** The Go programs: the longest step of all. */
  programs: boolean;
}

/** Which of the parts that all node images share are missing. */
export async function missingParts(): Promise<NodeParts> {
  const present = await presentImages([osTag(), programsTag()]);
  const programs = !present.has(programsTag());
  return {
    os: programs && !present.has(osTag()),
    programs: programs && Object.values(programEntries()).some((entry) => !existsSync(entryPath(entry))),
  };
}

/** Makes the node's root file system as an image of its own, which node images of later recipes share. */
export async function makeNodeOs(): Promise<void> {
  await withLock("node-os-image", async () => {
    if ((await presentImages([osTag()])).size > 0) return;
    await withScratch("node-os", async (work) => {
      await makeRootfs(join(work, "root"), ROOTFS, work);
      await importFolder(join(work, "root"), osTag());
    });
  });
}

/** Builds the node's Go programs. A program is built again when its own sources change, or the modules. */
export async function makeNodePrograms(): Promise<Record<keyof typeof PROGRAMS, string>> {
  const entries = programEntries();
  const made: [string, string][] = [];
  for (const [name, program] of Object.entries<Program>(PROGRAMS)) {
    const { module = "kube", folder: source = ".", ...settings } = program;
    const folder = await cached(entries[name]!, (path) =>
      goBuild({ module: join(GO, module), package: `./${source}`, output: join(path, name), ...settings }),
    );
    made.push([name, join(folder, name)]);
  }
  return Object.fromEntries(made) as Record<keyof typeof PROGRAMS, string>;
}

/** Builds the program that dumps and restores containers; gives its file. */
async function makeRuncCr(): Promise<string> {
  const folder = await cached(runcCrEntry(), (path) =>
    goBuild({ module: RUNC_CR, package: ".", output: join(path, "runc-cr") }),
  );
  return join(folder, "runc-cr");
}

/** Puts the parts together, and makes them first where they are missing. */
export async function makeNodeImage(kind: NodeKind): Promise<void> {
  await makeNodeOs();
  const programs = await makeNodePrograms();
  const runcCr = await makeRuncCr();
  await withScratch("node-image", async (work) => {
    if ((await presentImages([programsTag()])).size === 0) {
      const context = folderOf(join(RECIPES, "programs"), join(work, "programs"));
      for (const [name, file] of Object.entries(programs)) copyFileSync(file, join(context, name));
      await buildImage(context, programsTag(), { OS: osTag() });
    }
    const context = folderOf(join(RECIPES, kind), join(work, kind));
    copyFileSync(runcCr, join(context, "runc-cr"));
    copyFileSync(CRIU_CONFIG, join(context, "criu.conf"));
    await buildImage(context, nodeImageTag(kind), { PROGRAMS: programsTag(), VERSION: release });
  });
}

function folderOf(recipe: string, copy: string): string {
  mkdirSync(copy, { recursive: true });
  for (const name of readdirSync(recipe)) copyFileSync(join(recipe, name), join(copy, name));
  return copy;
}

function osTag(): string {
  return `bay-e2e/node-os:${recipeHash([], [JSON.stringify(ROOTFS), DEBIAN_ARCH])}`;
}

function programsTag(): string {
  return `bay-e2e/node-programs:${release}-${programsHash()}`;
}

function programsHash(): string {
  return recipeHash(
    [join(RECIPES, "programs")],
    [osTag(), ...Object.values(programEntries()).map((entry) => entry.hash)],
  );
}

function programEntries(): Record<string, Entry> {
  return Object.fromEntries(
    Object.entries<Program>(PROGRAMS).map(([name, program]) => {
      const { module = "kube", folder } = program;
      const sources =
        folder === undefined
          ? goSources(join(GO, module))
          : [...["go.mod", "go.sum"].map((file) => join(GO, module, file)), join(GO, module, folder)];
      return [
        name,
        {
          name: `node-program-${name.replace(/-/g, "")}`,
          version: release,
          hash: recipeHash(sources, [JSON.stringify(program), DEBIAN_ARCH]),
        },
      ];
    }),
  );
}

function runcCrEntry(): Entry {
  return { name: "node-program-runccr", version: release, hash: recipeHash(goSources(RUNC_CR), [DEBIAN_ARCH]) };
}

/** What a program is made of that is a module of one package. */
function goSources(module: string): string[] {
  return readdirSync(module)
    .filter((name) => /\.go$|^go\.(mod|sum)$/.test(name) && !name.endsWith("_test.go"))
    .map((name) => join(module, name));
}
