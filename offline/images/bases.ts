import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, tryRun } from "../../infra/support/exec";
import { recipeHash } from "../cache";
import { DEBIAN_ARCH, downloadPackages } from "../host/debian";
import { findProgram } from "../host/preconditions";
import { withScratch } from "../scratch";
import { VERSIONS } from "../versions";
import { buildImage, importFolder } from "./docker";
import { makeRootfs, trimRootfs, type Rootfs } from "./rootfs";

const RECIPE = join(__dirname, "..", "bases");

const ROOTFS: Rootfs = {
  suite: VERSIONS.suites.base,
  include: ["ca-certificates"],
  remove: ["usr/share/zoneinfo/*", "usr/lib/*-linux-gnu/gconv/*"],
};

/** What Ship's base has beside Node.js. */
const PYTHON = ["python3", "procps", "curl"];

/** The two images' names; the tags change with everything that the images are made from. */
export function baseTags(): { bay: string; ship: string } {
  const os = recipeHash([join(RECIPE, "bay.Dockerfile")], [JSON.stringify(ROOTFS), DEBIAN_ARCH, VERSIONS.node]);
  const ship = recipeHash([join(RECIPE, "ship.Dockerfile")], [os, ...PYTHON]);
  return { bay: `bay-e2e/node-base:${VERSIONS.node}-${os}`, ship: `bay-e2e/python-node-base:${VERSIONS.node}-${ship}` };
}

/** Makes both images in one go, so that Ship's contains the layers of Bay's. */
export async function makeBases(): Promise<void> {
  const tags = baseTags();
  await withScratch("bases", async (work) => {
    const root = join(work, "root");
    const os = `bay-e2e/debian:${tags.bay.split("-").pop()!}`;
    await makeRootfs(root, ROOTFS, work);
    await importFolder(root, os);
    await withNode(join(work, "bay"));
    copyFileSync(join(RECIPE, "bay.Dockerfile"), join(work, "bay", "Dockerfile"));
    await buildImage(join(work, "bay"), tags.bay, { OS: os });
    await withPython(root, join(work, "ship"), work);
    copyFileSync(join(RECIPE, "ship.Dockerfile"), join(work, "ship", "Dockerfile"));
    await buildImage(join(work, "ship"), tags.ship, { BASE: tags.bay });
  });
}

/** Puts the official Node.js binary into a folder; the npm package `node` is made of these. */
async function withNode(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const name = `node-linux-${process.arch === "arm64" ? "arm64" : "x64"}`;
  const packed = await run(["npm", "pack", "--silent", `${name}@${VERSIONS.node}`], { cwd: folder, timeout: 5 * 60_000 });
  await run(["tar", "-xzf", packed.trim().split("\n").pop()!, "--strip-components=2", "package/bin/node"], { cwd: folder });
  await run(["rm", packed.trim().split("\n").pop()!], { cwd: folder });
  chmodSync(join(folder, "node"), 0o755);
  // Symbols are a part of the file, and nobody debugs Node.js itself in there.
  if (findProgram("strip")) await tryRun(["strip", "--strip-unneeded", join(folder, "node")]);
}

/** Installs Python into a root file system and packs what that changed. */
async function withPython(root: string, folder: string, work: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const archives = await downloadPackages(VERSIONS.suites.base, PYTHON, join(root, "var/lib/dpkg/status"), work);
  mkdirSync(join(root, "archives"));
  for (const name of readdirSync(archives).filter((file) => file.endsWith(".deb"))) copyFileSync(join(archives, name), join(root, "archives", name));
  const stamp = join(work, "stamp");
  writeFileSync(stamp, "");
  await run(["chroot", root, "sh", "-c", "dpkg --force-depends --unpack /archives/*.deb && dpkg --configure -a && rm -r /archives"], {
    timeout: 5 * 60_000, env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
  });
  trimRootfs(root, [...ROOTFS.remove ?? [], "usr/lib/python3*/test", "usr/lib/python3*/idlelib", "usr/lib/python3*/ensurepip/_bundled/*"]);
  // By the time of the inode's change, because dpkg keeps the files' own times.
  const changed = await run(["find", ".", "-cnewer", stamp, "(", "-not", "-type", "d", "-o", "-type", "d", "-empty", ")", "-print0"], { cwd: root });
  await run(["tar", "-C", root, "--numeric-owner", "--null", "--no-recursion", "-T", "-", "-cf", join(folder, "python.tar")], { input: changed });
}
