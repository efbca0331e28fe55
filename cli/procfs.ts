import { existsSync, readdirSync, readFileSync } from "node:fs";

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

/** Whether a process of that id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process started, in the kernel's ticks since boot; empty where there is no such process or no /proc. */
export function startOf(pid: number): string {
  // The command's name, in parentheses, may hold anything; the start is the twentieth field behind it.
  return readIfThere(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ")[19] ?? "";
}

/** A process and what started it. */
export interface ProcessFacts {
  pid: number;
  parent: number;
  command: string;
}

/** Processes in whose environment a variable has a value; none where no /proc is. */
export function processesWith(variable: string, value: string): ProcessFacts[] {
  const mark = `${variable}=${value}\0`;
  return pids().flatMap((pid): ProcessFacts[] => {
    if (!`\0${readIfThere(`/proc/${pid}/environ`)}`.includes(`\0${mark}`)) return [];
    const command = readIfThere(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
    return command === "" ? [] : [{ pid, parent: parentOf(pid), command }];
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
  return existsSync("/proc/self") ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number) : [];
}

function parentOf(pid: number): number {
  return Number(/\) \S (\d+)/.exec(readIfThere(`/proc/${pid}/stat`))?.[1] ?? 0);
}
