import { dirname } from "node:path";
import semver from "semver";
import type { BackendName } from "../../../infra/outputs";
import { tryRun } from "../../../infra/support/exec";
import { onPath } from "../../probe/tools";
import { type CheckSpec, fail, ok, type Subject, warn } from "../check";

/** A program: where it is and which version; nothing where it is not on PATH. */
export interface ToolFact {
  path?: string;
  version?: string;
}

interface Tool {
  program: string;
  /** Words that make it print its version. */
  words: string[];
  /** Oldest version that will do. */
  oldest?: string;
  /** What becomes of a host without it. */
  without: "fail" | "warn" | "optional";
  /** Where `npm run setup` supplies it, or what it is good for. */
  note: string;
  fix: string;
  backends?: readonly BackendName[];
}

const TOOLS: readonly Tool[] = [
  {
    program: "node",
    words: ["--version"],
    oldest: "20.19.0",
    without: "fail",
    note: "20.19",
    fix: "install a newer Node",
  },
  { program: "npm", words: ["--version"], without: "fail", note: "any", fix: "install npm" },
  {
    program: "git",
    words: ["--version"],
    without: "warn",
    note: "any",
    fix: "install git: without it no checkout can be updated",
  },
  {
    program: "pulumi",
    words: ["version"],
    oldest: "3.200.0",
    without: "warn",
    note: "3.200, or what setup fetches or builds",
    fix: "npm run setup",
  },
  {
    program: "kind",
    words: ["version"],
    oldest: "0.24.0",
    without: "warn",
    note: "0.24, or what setup fetches or builds",
    fix: "npm run setup",
    backends: ["kind"],
  },
  { program: "kubectl", words: ["version", "--client"], without: "optional", note: "none; for people only", fix: "" },
  { program: "helm", words: ["version", "--short"], without: "optional", note: "none; for people only", fix: "" },
];

/** The command-line tools, one check each. */
export const tools: readonly CheckSpec<ToolFact>[] = TOOLS.map((tool) => ({
  name: tool.program,
  cost: "cheap" as const,
  ...(tool.backends ? { backends: tool.backends } : {}),
  probe: (subject: Subject) => probeTool(tool, subject.env),
  judge: (fact: ToolFact) => judgeTool(tool, fact),
}));

function judgeTool(tool: Tool, { path, version }: ToolFact) {
  if (path === undefined) {
    if (tool.without === "optional") return ok("not on PATH", tool.note);
    return (tool.without === "fail" ? fail : warn)("not on PATH", tool.note, tool.fix);
  }
  const found = `${version ?? "version unknown"} in ${dirname(path)}`;
  const tooOld = tool.oldest !== undefined && version !== undefined && semver.lt(version, tool.oldest);
  return tooOld ? (tool.without === "fail" ? fail : warn)(found, tool.note, tool.fix) : ok(found, tool.note);
}

async function probeTool({ program, words }: Tool, env: NodeJS.ProcessEnv): Promise<ToolFact> {
  const path = await onPath(program, env);
  if (path === undefined) return {};
  const { stdout } = await tryRun([path, ...words], { timeout: 5_000 }).catch(() => ({ stdout: "" }));
  const version = semver.coerce(stdout)?.version;
  return { path, ...(version ? { version } : {}) };
}
