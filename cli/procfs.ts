import { readFileSync } from "node:fs";

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
    pid = Number(/\) \S (\d+)/.exec(readIfThere(`/proc/${pid}/stat`))?.[1] ?? 0);
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
