import { lstatSync, readdirSync, statSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { readIfThere } from "./procfs";

/**
 * What is known of a folder that some checkout had. `gone` is only what was certainly removed: a checkout on a disk
 * that is not mounted, on another host or in another container cannot be seen from here either, and is `unknown`.
 */
export type Presence = "here" | "gone" | "unknown";

/** What a look at the host's file systems needs; for tests. */
export interface Mounts {
  /** Text of /proc/self/mountinfo; empty on a host without it. */
  mountinfo: string;
  /** Text of /etc/fstab. */
  fstab: string;
}

/** Folders in which desktops and automounters make and remove mount points. */
const AUTOMOUNTED =
  /^(\/media(\/[^/]+)?|\/run\/media(\/[^/]+)?|\/mnt|\/Volumes|\/net(\/[^/]+)?|\/misc|\/run\/user\/\d+(\/gvfs)?)$/;

/** Looks for the checkout in a folder. */
export function presenceOf(checkout: string, mounts: Mounts = mountsOfHost()): Presence {
  if (!isAbsolute(checkout)) return "unknown";
  if (exists(join(checkout, "Pulumi.yaml"))) return "here";
  // The folder itself may be the place of a disk that is not there now.
  if (errorAt(checkout) !== "ENOENT") return "unknown";
  return parentIsWhole(dirname(checkout), mounts) && waitsForNoDisk(checkout, mounts) ? "gone" : "unknown";
}

/** Whether the folder that the checkout was in is there, with something in it: an empty one may be a mount point. */
function parentIsWhole(parent: string, { mountinfo }: Mounts): boolean {
  if (AUTOMOUNTED.test(parent)) return false;
  try {
    const automatic = mountPoints(mountinfo).some(({ point, type }) => type === "autofs" && point === parent);
    return !automatic && statSync(parent).isDirectory() && readdirSync(parent).length > 0;
  } catch {
    return false;
  }
}

/** Whether every file system that the host is told to mount at or above a folder is mounted. */
function waitsForNoDisk(checkout: string, { mountinfo, fstab }: Mounts): boolean {
  const mounted = new Set(mountPoints(mountinfo).map(({ point }) => point));
  const wanted = fstab
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => unescape(line.split(/\s+/)[1] ?? ""));
  return wanted
    .filter((point) => point.startsWith("/") && point !== "/" && `${checkout}/`.startsWith(`${point}/`))
    .every((point) => mounted.has(point));
}

/** Each line of mountinfo: the fifth field is the mount point, the first behind `-` the type. */
function mountPoints(mountinfo: string): { point: string; type: string }[] {
  return mountinfo
    .split("\n")
    .filter(Boolean)
    .map((line) => ({ point: unescape(line.split(" ")[4] ?? ""), type: line.split(" - ")[1]?.split(" ")[0] ?? "" }));
}

/** Blanks in these files are written as \040. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function mountsOfHost(): Mounts {
  return { mountinfo: readIfThere("/proc/self/mountinfo"), fstab: readIfThere("/etc/fstab") };
}

function exists(path: string): boolean {
  return errorAt(path) === undefined;
}

function errorAt(path: string): string | undefined {
  try {
    lstatSync(path);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "";
  }
}
