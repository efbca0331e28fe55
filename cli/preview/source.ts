import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { UserError } from "../../infra/support/errors";
import { run, tryRun } from "../../infra/support/exec";
import { ROOT, STATE } from "../paths";
import { isAlive } from "../clean-up/procfs";
import type { Tell } from "../progress";

/** Files that images are built from: the checkout as it lies, or one commit of it. */
export interface Source {
  root: string;
  /** 40 digits; empty for the checkout as it lies. */
  commit: string;
}

/** Where commits are unpacked while images are built from them: `COMMIT-PID`. */
const FOLDER = join(STATE, "previews", "commits");

/**
 * Gives `work` the files of a commit, and takes them away again. The packages are those of this checkout, unless the
 * commit's lock file names others.
 * @param ref branch, tag or commit; nothing for the checkout as it lies
 * @throws UserError E_USAGE for a commit that this checkout does not have
 */
export async function withSource<T>(
  ref: string | undefined,
  tell: Tell,
  work: (source: Source) => Promise<T>,
): Promise<T> {
  if (ref === undefined) return work({ root: ROOT, commit: "" });
  dropDeadSources();
  const commit = await commitOf(ref);
  const root = join(FOLDER, `${commit.slice(0, 12)}-${process.pid}`);
  try {
    tell(`unpacking commit ${commit.slice(0, 12)}`);
    await unpack(commit, root);
    if (lockOf(root) !== lockOf(ROOT)) {
      tell(`installing the packages of commit ${commit.slice(0, 12)}, which are not this checkout's`);
      await run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root, timeout: 600_000 });
    }
    return await work({ root, commit });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The commit that a branch, a tag or some of its digits name. @throws UserError E_USAGE */
export async function commitOf(ref: string): Promise<string> {
  const { exitCode, stdout } = await tryRun(
    ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`],
    { cwd: ROOT },
  );
  if (exitCode === 0) return stdout.trim();
  throw new UserError("E_USAGE", {
    seen: `--ref ${ref}, which this checkout does not have`,
    wanted: "a commit, a branch or a tag",
    next: "git fetch --all   (then: git log --oneline --all)",
  });
}

/** Takes away what killed runs unpacked. */
export function dropDeadSources(): void {
  if (!existsSync(FOLDER)) return;
  for (const name of readdirSync(FOLDER)) {
    // `COMMIT-PID`, and while it is unpacked its archive; whatever else is there is not of a run.
    const [, pid] = /^[0-9a-f]{12}-(\d+)(?:\.tar)?$/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(FOLDER, name), { recursive: true, force: true });
  }
}

/**
 * A path of the configuration within a source.
 * @throws UserError E_USAGE for one outside of the checkout, of which a commit says nothing
 */
export function pathIn({ root, commit }: Source, key: string, path: string): string {
  const inside = relative(ROOT, resolve(ROOT, path));
  if (commit === "" || (!inside.startsWith("..") && inside !== "")) return resolve(root, path);
  throw new UserError("E_USAGE", {
    seen: `--ref ${commit.slice(0, 12)} with ${key} ${path}, which is not in this checkout`,
    wanted: "a commit of what is built",
    next: "leave --ref out, or build an image of that commit and name it by bayImage",
  });
}

async function unpack(commit: string, root: string): Promise<void> {
  mkdirSync(root, { recursive: true });
  const archive = `${root}.tar`;
  try {
    await run(["git", "archive", "--format=tar", "--output", archive, commit], { cwd: ROOT });
    await run(["tar", "-xf", archive, "-C", root]);
  } finally {
    rmSync(archive, { force: true });
  }
}

function lockOf(root: string): string {
  const file = join(root, "package-lock.json");
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
