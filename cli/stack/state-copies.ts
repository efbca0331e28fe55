import { existsSync, readdirSync, rmSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { localStack } from "./state";

/**
 * Returns the copies that a local backend keeps of a stack which it does not have any more: the state before the
 * removal (`.bak`), a backup of each operation, and the history. They hold the stack's outputs and its encrypted
 * secrets. Empty while the stack is there.
 * @param url of the state backend; default: the one that the runner uses
 */
export function copiesOfRemoved(stack: string, url?: string): string[] {
  const local = localStack(stack, url);
  if (!local || existsSync(local.file) || stack === "" || stack.includes(sep) || stack === "." || stack === "..")
    return [];
  const { file } = local;
  const project = basename(dirname(file));
  const root = join(dirname(file), "..", "..");
  const beside = existsSync(dirname(file)) ? readdirSync(dirname(file)) : [];
  return [
    ...[".bak", ".attrs", ".bak.attrs"]
      .filter((end) => beside.includes(`${basename(file)}${end}`))
      .map((end) => `${file}${end}`),
    ...["backups", "history"].map((kind) => join(root, kind, project, stack)).filter(existsSync),
  ];
}

/** Removes the copies of a stack that was removed, and of no other. */
export function removeCopies(stack: string, url?: string): void {
  for (const copy of copiesOfRemoved(stack, url)) rmSync(copy, { recursive: true, force: true });
}
