import { randomUUID } from "node:crypto";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** A skill that comes with the image. */
export interface BuiltInSkill {
  name: string;
  description: string;
  /** Absolute path of its SKILL.md in the workspace. */
  path: string;
}

/** File of shell variables that every command sources. */
export const envFileOf = (workspace: string): string => path.join(workspace, ".bay_env.sh");

/**
 * Splits `K=V` pairs joined by `:`. A part without a name before its `=` belongs to the value before it, so that a
 * URL in a value survives.
 */
export function parseProfileEnv(text: string): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (const part of text.split(":")) {
    const found = /^([A-Za-z_][A-Za-z0-9_]*)=([^]*)$/.exec(part);
    const last = pairs.at(-1);
    if (found) pairs.push([found[1]!, found[2]!]);
    else if (last) last[1] += `:${part}`;
  }
  return pairs;
}

/** Writes the variables of the profile as shell exports; nothing is written when there are none. */
export function writeEnvFile(workspace: string, profileEnv: string | undefined): void {
  if (!profileEnv) return;
  const quote = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`;
  const lines = parseProfileEnv(profileEnv).map(([name, value]) => `export ${name}=${quote(value)}\n`);
  replace(envFileOf(workspace), (aside) => {
    writeFileSync(aside, lines.join(""));
  });
}

/** Puts each built-in skill in place of a directory of its name in `skills/`; other skills there are untouched. */
export function injectSkills(workspace: string, source: string): BuiltInSkill[] {
  if (!existsSync(source)) return [];
  const target = path.join(workspace, "skills");
  return readdirSync(source, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const place = path.join(target, name);
      mkdirSync(target, { recursive: true });
      replace(place, (aside) => {
        cpSync(path.join(source, name), aside, { recursive: true });
      });
      return {
        name,
        description: descriptionOf(path.join(source, name, "SKILL.md")),
        path: path.join(place, "SKILL.md"),
      };
    });
}

/** Times that another Ship may come between: the containers of a pod start together in one workspace. */
const ATTEMPTS = 20;

/** Makes a file or directory aside and puts it in place whole, whatever stands there and whoever does the same. */
function replace(place: string, make: (aside: string) => void): void {
  const aside = path.join(path.dirname(place), `.ship-${randomUUID()}`);
  make(aside);
  for (let attempt = 1; ; attempt++) {
    try {
      renameSync(aside, place);
      return;
    } catch (error) {
      // A directory with something in it is not replaced by a rename: it is moved away first.
      if (
        attempt === ATTEMPTS ||
        !["ENOTEMPTY", "EEXIST", "ENOTDIR", "EISDIR"].includes((error as NodeJS.ErrnoException).code ?? "")
      )
        throw error;
      moveAway(place);
    }
  }
}

function moveAway(place: string): void {
  const old = path.join(path.dirname(place), `.ship-${randomUUID()}`);
  try {
    renameSync(place, old);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  removeWhole(old);
}

/** Removes a file, a link or a directory with all in it. In Node 24.0 to 24.9 rmSync leaves a link that points nowhere. */
function removeWhole(place: string): void {
  const found = lstatSync(place, { throwIfNoEntry: false });
  if (found?.isSymbolicLink()) unlinkSync(place);
  else rmSync(place, { recursive: true, force: true });
}

function descriptionOf(file: string): string {
  if (!existsSync(file)) return "";
  return /^description:\s*(.*)$/m.exec(readFileSync(file, "utf8"))?.[1]?.trim() ?? "";
}
