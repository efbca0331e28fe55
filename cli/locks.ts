import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { isAlive, readIfThere } from "./procfs";
import { localStack } from "./state";

/** A lock of Pulumi's local backend, as its file tells. */
interface Lock {
  pid: number;
  username: string;
  hostname: string;
  timestamp: string;
}

/**
 * Removes locks of a stack whose owner is proven dead: made on this host by a process that is no more. The
 * local backend's locks have no lease, so that a killed Pulumi leaves one for ever (pulumi/pulumi #9253).
 * Anybody else's lock stays.
 */
export function removeStaleLocks(stack: string): void {
  const locks = localStack(stack)?.locks;
  if (!locks || !existsSync(locks)) return;
  for (const name of readdirSync(locks)) {
    const file = join(locks, name.replace(/\.attrs$/, ""));
    // The backend keeps a file's attributes in a file beside it; without a lock they are nobody's.
    if (existsSync(file) && !isStale(JSON.parse(readFileSync(file, "utf8")) as Lock)) continue;
    for (const part of [file, `${file}.attrs`]) rmSync(part, { force: true });
  }
}

function isStale(lock: Lock): boolean {
  return lock.hostname === hostname() && !isPulumi(lock.pid);
}

/** Process ids are used again: one that runs something else does not hold the lock. */
function isPulumi(pid: number): boolean {
  return existsSync("/proc/self") ? readIfThere(`/proc/${pid}/cmdline`).includes("pulumi") : isAlive(pid);
}
