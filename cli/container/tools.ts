import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { ROOT } from "../paths";
import { onPath } from "../probe/tools";

/** Programs that a run may call. Without the first two there is none; a suite says what it lacks of the others. */
const PROGRAMS = ["docker", "pulumi", "helm", "kubectl", "kind"] as const;
/** What Pulumi looks for beside itself. */
const BESIDE_PULUMI = /^pulumi-(language-nodejs|resource-pulumi-nodejs|analyzer-policy)/;
const PLUGINS = ["docker", "kubernetes"] as const;

/** The host's tools, laid out as the runner image has them. */
export interface StagedTools {
  /** Hexadecimal digits that change with the tools. */
  digest: string;
  /** Programs that this host does not have. */
  lacking: string[];
}

/** Lays links to the tools of this process's environment into a folder: `bin/`, and `pulumi-home/` with the plugins. */
export async function stageTools(folder: string, env: NodeJS.ProcessEnv = process.env): Promise<StagedTools> {
  const staged = new Map<string, string>();
  const lacking: string[] = [];
  for (const program of PROGRAMS) {
    const file = await onPath(program, env);
    if (file === undefined) lacking.push(program);
    else staged.set(join("bin", program), realpathSync(file));
    if (file === undefined || program !== "pulumi") continue;
    for (const name of readdirSync(dirname(file)).filter((one) => BESIDE_PULUMI.test(one)))
      staged.set(join("bin", name), realpathSync(join(dirname(file), name)));
  }
  const plugins = join(env["PULUMI_HOME"] || join(homedir(), ".pulumi"), "plugins");
  for (const name of PLUGINS.map((plugin) => `resource-${plugin}-v${versionOf(plugin)}`)) {
    if (existsSync(join(plugins, name)))
      staged.set(join("pulumi-home", "plugins", name), realpathSync(join(plugins, name)));
  }
  for (const [place, source] of staged) {
    mkdirSync(dirname(join(folder, place)), { recursive: true });
    symlinkSync(source, join(folder, place));
  }
  const digest = createHash("sha256")
    .update([...staged].map(([place, source]) => `${place} ${source} ${lookOf(source)}`).join("\n"))
    .digest("hex");
  return { digest, lacking };
}

/** Of the plugin that belongs to a package. */
function versionOf(plugin: string): string {
  return (
    JSON.parse(readFileSync(join(ROOT, "node_modules", "@pulumi", plugin, "package.json"), "utf8")) as {
      version: string;
    }
  ).version;
}

/** Enough to see a change without reading a hundred megabytes. */
function lookOf(path: string): string {
  const stat = statSync(path);
  return stat.isDirectory()
    ? readdirSync(path)
        .sort()
        .map((name) => `${name} ${lookOf(join(path, name))}`)
        .join(" ")
    : `${stat.size} ${stat.mtimeMs}`;
}
