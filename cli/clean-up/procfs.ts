import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A file's text, or nothing where it went away meanwhile. */
export function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** This process and all that it descends from. */
export function ancestors(): Set<number> {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 1 && !found.has(pid);) {
    found.add(pid);
    pid = parentOf(pid);
  }
  return found;
}

/** Whether a process of that id runs. One that ended and that nobody has collected yet does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) [ZX] \d/.test(readIfThere(`/proc/${pid}/stat`));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process started, in the kernel's ticks since boot; empty where there is no such process or no /proc. */
export function startOf(pid: number): string {
  // The command's name, in parentheses, may hold anything; the start is the twentieth field behind it.
  return (
    readIfThere(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, "")
      .split(" ")[19] ?? ""
  );
}

/** A process and what started it. */
export interface ProcessFacts {
  pid: number;
  parent: number;
  command: string;
}

/** Processes that have a variable in their environment, with its value and the folder that they work in. */
export function environmentsWith(variable: string): (ProcessFacts & { value: string; folder: string })[] {
  return pids().flatMap((pid) => {
    const value = new RegExp(`(?:^|\0)${variable}=([^\0]*)`).exec(readIfThere(`/proc/${pid}/environ`))?.[1];
    const command = readIfThere(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    return value === undefined || command === ""
      ? []
      : [{ pid, parent: parentOf(pid), command, value, folder: linkOf(`/proc/${pid}/cwd`) }];
  });
}

/** Whether a process descends from another, or is it. */
export function descendsFrom(pid: number, ancestor: number): boolean {
  for (let next = pid, seen = new Set<number>(); next > 1 && !seen.has(next); next = parentOf(next)) {
    if (next === ancestor) return true;
    seen.add(next);
  }
  return false;
}

function pids(): number[] {
  return existsSync("/proc/self")
    ? readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
    : [];
}

function parentOf(pid: number): number {
  return Number(/\) \S (\d+)/.exec(readIfThere(`/proc/${pid}/stat`))?.[1] ?? 0);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
