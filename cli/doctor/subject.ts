import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readConfig, type Settings } from "../../infra/config";
import { BACKENDS } from "../../infra/outputs";
import { UserError } from "../../infra/support/errors";
import { cacheFolder } from "../cache";
import { probeDocker } from "../probe-docker";
import { readStackFile } from "../stack-file";
import type { Subject } from "./check";

/** A secret's place in a configuration that is only looked at: its value stays shut. */
const SHUT = "[secret-not-opened]";

/**
 * Gathers what is known of a stack without asking Pulumi: its file, the Docker that answers, what had to fall back.
 * @param backend that of a stack which has no file yet
 */
export async function subjectOf(stack: string, backend?: string, env: NodeJS.ProcessEnv = process.env): Promise<Subject> {
  const docker = await probeDocker();
  const { settings, configProblem } = readSettings(stack, backend);
  return {
    stack, docker, env, standIns: standIns(),
    backend: settings?.backend ?? BACKENDS.find((name) => name === readStackFile(stack)?.config["backend"]) ?? BACKENDS.find((name) => name === stack) ?? "k3s",
    ...(settings ? { settings } : {}), ...(configProblem === undefined ? {} : { configProblem }),
  };
}

function readSettings(stack: string, backend: string | undefined): { settings?: Settings; configProblem?: string } {
  const raw = Object.entries(readStackFile(stack)?.config ?? (backend === undefined ? {} : { backend })).map(([key, value]) => [key, asText(value)]);
  try {
    return { settings: readConfig(Object.fromEntries(raw) as Record<string, string>, stack) };
  } catch (error) {
    if (error instanceof UserError) return { configProblem: error.seen.replace(/\n\s*/g, " ") };
    throw error;
  }
}

/** A value as Pulumi would hand it over. */
function asText(value: unknown): string {
  if (typeof value === "object" && value !== null && "secure" in value) return SHUT;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What `npm run setup` remembers of the official things that cannot be had here. */
function standIns(): string[] {
  const file = join(cacheFolder(), "fallback.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as string[] : [];
}
