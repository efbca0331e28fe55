import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type BackendFacts, objectionTo } from "../../infra/backends/detect";
import { OFFLINE, ROOT } from "../paths";
import { probeDocker } from "./docker";
import { findContext } from "./kubeconfig";
import { reach } from "./server";
import { onPath } from "./tools";
import { readStackFile } from "../stack/stack-file";

/** Name of the stack whose configuration says which contexts count as local; the one that detection chooses. */
const EXISTING = "existing";

/**
 * Looks at this host for what a cluster can be made on or found in. Everything is asked at once; each
 * question has a deadline of two seconds, so that a server that swallows packets delays nothing more.
 */
export async function probeBackends(env: NodeJS.ProcessEnv = process.env): Promise<BackendFacts> {
  const [context, docker, kind] = await Promise.all([probeContext(env), probeDockerFact(env), onPath("kind", env)]);
  return { ...context, docker, ...(kind ? { kind } : {}) };
}

async function probeContext(
  env: NodeJS.ProcessEnv,
): Promise<Pick<BackendFacts, "kubeconfig" | "context" | "allowedContexts">> {
  const settings = readStackFile(EXISTING)?.config ?? {};
  const [file, context] = [textOf(settings["kubeconfig"]), textOf(settings["kubeContext"])];
  const found = findContext(env, { ...(file ? { file: resolve(ROOT, file) } : {}), ...(context ? { context } : {}) });
  const allowed = Array.isArray(settings["allowedContexts"]) ? settings["allowedContexts"].map(String) : [];
  const facts = {
    kubeconfig: { files: found.files, ...(found.problem ? { problem: found.problem } : {}) },
    allowedContexts: context ? [...allowed, context] : allowed,
  };
  if (!found.context) return facts;
  const { name, server, proxy } = found.context;
  const answer =
    objectionTo(found.context, facts.allowedContexts) === undefined
      ? await reach(found.context.cluster)
      : { reachable: false, answer: "not asked, because it may not be used" };
  return { ...facts, context: { name, server, ...(proxy ? { proxy } : {}), ...answer } };
}

async function probeDockerFact(env: NodeJS.ProcessEnv): Promise<BackendFacts["docker"]> {
  const { info, problem } = await probeDocker();
  // What offline/ needs to install a daemon: Debian's package tools and root, and a user who named no other daemon.
  const installable =
    !env["DOCKER_HOST"] &&
    process.getuid?.() === 0 &&
    existsSync("/etc/debian_version") &&
    existsSync(join(OFFLINE, "main.ts"));
  return {
    rootless: info?.rootless ?? false,
    installable,
    ...(info ? { version: info.version } : { problem: problem ?? "no answer" }),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
