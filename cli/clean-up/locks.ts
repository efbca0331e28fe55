import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../../infra/support/errors";
import { isAlive, readIfThere } from "./procfs";
import { localStack } from "../stack/state";

/** A lock of Pulumi's local backend, as its file tells. */
export interface Lock {
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
    const lock = readLock(file);
    if (lock && !isStale(lock)) continue;
    for (const part of [file, `${file}.attrs`]) rmSync(part, { force: true });
  }
}

/**
 * Makes sure that nobody has the stack's lock; those of the dead do not count.
 * @throws UserError E_STACK_LOCKED that names who has it
 */
export function requireNoLock(stack: string): void {
  const held = liveLock(stack);
  if (!held) return;
  const { pid, username, hostname: host, timestamp } = held;
  throw new UserError("E_STACK_LOCKED", {
    seen: `Pulumi (pid ${pid} of ${username} on ${host}) has the stack ${stack} since ${timestamp}`,
    wanted: "one run of a stack at a time",
    next:
      host === hostname()
        ? "wait for it to end"
        : `wait for it to end, or if it is dead: pulumi cancel --stack ${stack}`,
  });
}

/** The lock of a Pulumi that lives, or that cannot be proven dead from here. */
export function liveLock(stack: string): Lock | undefined {
  const locks = localStack(stack)?.locks;
  if (!locks || !existsSync(locks)) return undefined;
  return readdirSync(locks)
    .filter((name) => name.endsWith(".json"))
    .map((name) => readLock(join(locks, name)))
    .find((lock) => lock && !isStale(lock));
}

/** A lock; nothing where there is none, or where its writing was cut off. */
function readLock(file: string): Lock | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Lock;
  } catch {
    return undefined;
  }
}

function isStale(lock: Lock): boolean {
  return lock.hostname === hostname() && !isPulumi(lock.pid);
}

/** Process ids are used again: one that runs something else does not hold the lock. */
function isPulumi(pid: number): boolean {
  return existsSync("/proc/self") ? readIfThere(`/proc/${pid}/cmdline`).includes("pulumi") : isAlive(pid);
}
