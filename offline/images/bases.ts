import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
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

/** Debian packages that Ship's base has beside Node.js. */
const PACKAGES = ["python3", "python3-venv", "procps", "curl", "git"];
/** What git wants for commands that nobody needs in a sandbox (send-email, svn, gitweb): 50 MB. */
const LEFT_OUT = /^(perl|perl-modules-[\d.]+|libperl[\d.]+(t64)?|liberror-perl|libgdbm\w*|libgdbm-compat\w*)_/;
/** Parts of packages that no sandbox needs. */
const PACKAGE_TRIM = [
  "usr/lib/python3*/test",
  "usr/lib/python3*/idlelib",
  "usr/lib/python3*/ensurepip/_bundled/*",
  "usr/share/gitweb",
  "usr/share/perl5/Git*",
  // Git's servers and its ways of old to send, 2 MB each; clone, fetch and push over HTTPS and SSH do not use them.
  ...["http-push", "http-backend", "imap-send", "daemon", "shell", "instaweb", "svn", "send-email", "cvs*", "p4"].map(
    (name) => `usr/lib/git-core/git-${name}`,
  ),
  "usr/lib/git-core/scalar",
  "usr/bin/scalar",
  "usr/bin/git-shell",
  "usr/bin/git-cvsserver",
];
/** The same of packages of Node.js, by the ends of names; pnpm has its file copying built for other systems too. */
const NODE_TRIM = [".md", ".map", ".d.ts", ".d.mts", ".d.cts", "/docs", "/man"];
const FOREIGN = /^reflink\.(?!linux-\w+-gnu)/;

/** The two images' names; the tags change with everything that the images are made from. */
export function baseTags(): { bay: string; ship: string } {
  const os = recipeHash([join(RECIPE, "bay.Dockerfile")], [JSON.stringify(ROOTFS), DEBIAN_ARCH, VERSIONS.node]);
  const ship = recipeHash(
    [join(RECIPE, "ship.Dockerfile")],
    [os, ...PACKAGES, LEFT_OUT.source, ...PACKAGE_TRIM, ...NODE_TRIM, VERSIONS.npm, VERSIONS.pnpm],
  );
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
    await withPackages(root, join(work, "ship"), work);
    for (const name of ["npm", "pnpm"] as const) await withNodePackage(join(work, "ship"), name, VERSIONS[name]);
    copyFileSync(join(RECIPE, "ship.Dockerfile"), join(work, "ship", "Dockerfile"));
    await buildImage(join(work, "ship"), tags.ship, { BASE: tags.bay });
  });
}

/** Puts the official Node.js binary into a folder; the npm package `node` is made of these. */
async function withNode(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const name = `node-linux-${process.arch === "arm64" ? "arm64" : "x64"}`;
  const packed = await run(["npm", "pack", "--silent", `${name}@${VERSIONS.node}`], {
    cwd: folder,
    timeout: 5 * 60_000,
  });
  await run(["tar", "-xzf", packed.trim().split("\n").pop()!, "--strip-components=2", "package/bin/node"], {
    cwd: folder,
  });
  await run(["rm", packed.trim().split("\n").pop()!], { cwd: folder });
  chmodSync(join(folder, "node"), 0o755);
  // Symbols are a part of the file, and nobody debugs Node.js itself in there.
  if (findProgram("strip")) await tryRun(["strip", "--strip-unneeded", join(folder, "node")]);
}

/** Installs Debian's packages into a root file system and packs what that changed. */
async function withPackages(root: string, folder: string, work: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const archives = await downloadPackages(VERSIONS.suites.base, PACKAGES, join(root, "var/lib/dpkg/status"), work);
  mkdirSync(join(root, "archives"));
  const wanted = readdirSync(archives).filter((file) => file.endsWith(".deb") && !LEFT_OUT.test(file));
  for (const name of wanted) copyFileSync(join(archives, name), join(root, "archives", name));
  const stamp = join(work, "stamp");
  writeFileSync(stamp, "");
  await run(
    [
      "chroot",
      root,
      "sh",
      "-c",
      "dpkg --force-depends --unpack /archives/*.deb && dpkg --force-depends --configure -a && rm -r /archives",
    ],
    {
      timeout: 5 * 60_000,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
    },
  );
  trimRootfs(root, [...(ROOTFS.remove ?? []), ...PACKAGE_TRIM]);
  // By the time of the inode's change, because dpkg keeps the files' own times.
  const changed = await run(
    ["find", ".", "-cnewer", stamp, "(", "-not", "-type", "d", "-o", "-type", "d", "-empty", ")", "-print0"],
    { cwd: root },
  );
  await run(
    ["tar", "-C", root, "--numeric-owner", "--null", "--no-recursion", "-T", "-", "-cf", join(folder, "packages.tar")],
    { input: changed },
  );
}

/**
 * Puts a program of the npm registry, which needs no other package, into a folder without what only its developers
 * need.
 */
async function withNodePackage(folder: string, name: string, version: string): Promise<void> {
  const packed = (await run(["npm", "pack", "--silent", `${name}@${version}`], { cwd: folder, timeout: 5 * 60_000 }))
    .trim()
    .split("\n")
    .pop()!;
  const target = join(folder, name);
  mkdirSync(target);
  await run(["tar", "-xzf", join(folder, packed), "--no-same-owner", "--strip-components=1", "-C", target]);
  rmSync(join(folder, packed));
  for (const entry of readdirSync(target, { recursive: true, encoding: "utf8" })) {
    if (NODE_TRIM.some((end) => `/${entry}`.endsWith(end)) || FOREIGN.test(basename(entry)))
      rmSync(join(target, entry), { recursive: true, force: true });
  }
}
