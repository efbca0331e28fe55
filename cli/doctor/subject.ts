import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BACKENDS } from "../../infra/outputs";
import { cacheFolder } from "../tools/cache";
import { probeDocker } from "../probe/docker";
import { readStackFile } from "../stack/stack-file";
import { readSettings } from "../stack/stack-settings";
import type { Subject } from "./check";

/**
 * Gathers what is known of a stack without asking Pulumi: its file, the Docker that answers, what had to fall back.
 * @param backend that of a stack which has no file yet
 */
export async function subjectOf(
  stack: string,
  backend?: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Subject> {
  const docker = await probeDocker();
  const { settings, configProblem } = readSettings(stack, backend);
  return {
    stack,
    docker,
    env,
    standIns: standIns(),
    backend:
      settings?.backend ??
      BACKENDS.find((name) => name === readStackFile(stack)?.config["backend"]) ??
      BACKENDS.find((name) => name === stack) ??
      "k3s",
    ...(settings ? { settings } : {}),
    ...(configProblem === undefined ? {} : { configProblem }),
  };
}

/** What `npm run setup` remembers of the official things that cannot be had here. */
function standIns(): string[] {
  const file = join(cacheFolder(), "fallback.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as string[]) : [];
}
