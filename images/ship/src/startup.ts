import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  writeFileSync(envFileOf(workspace), lines.join(""));
}

/** Puts each built-in skill in place of a directory of its name in `skills/`; other skills there are untouched. */
export function injectSkills(workspace: string, source: string): BuiltInSkill[] {
  if (!existsSync(source)) return [];
  const target = path.join(workspace, "skills");
  return readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => {
    const place = path.join(target, name);
    rmSync(place, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    cpSync(path.join(source, name), place, { recursive: true });
    return { name, description: descriptionOf(path.join(source, name, "SKILL.md")), path: path.join(place, "SKILL.md") };
  });
}

function descriptionOf(file: string): string {
  if (!existsSync(file)) return "";
  return /^description:\s*(.*)$/m.exec(readFileSync(file, "utf8"))?.[1]?.trim() ?? "";
}
