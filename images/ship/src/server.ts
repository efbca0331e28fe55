import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { buildShip } from "./app";
import { takeVerifier } from "./auth";
import { Kernel } from "./kernel";
import { LIMITS } from "./limits";
import { log } from "./log";
import { keepProcessLimit } from "./process-limit";
import { loginEnv } from "./shell";
import { injectSkills, writeEnvFile } from "./startup";
import { missingTools } from "./tools";

/** Milliseconds since the process began when each part of the start was done, in the order of their ends. */
const done: Record<string, number> = {};
const note = (part: string): void => {
  done[part] = Math.round(performance.now());
};

/**
 * Environment: SHIP_HOST, SHIP_PORT, SHIP_WORKSPACE, SHIP_SKILLS, SHIP_TOKEN_SHA256, SHIP_MAX_PROCESSES,
 * BAY_PROFILE_ENV. See README.md.
 */
async function main(): Promise<void> {
  done["node"] = Math.round(performance.nodeTiming.bootstrapComplete);
  note("program");
  const env = process.env;
  const verifier = takeVerifier(env);
  const workspace = path.resolve(env["SHIP_WORKSPACE"] ?? "/workspace");
  // The kernel inherits the container's variables (profile variables reach Python this way).
  const kernel = new Kernel({
    workspace,
    env: { ...loginEnv(workspace), ...kernelEnv(env), HOME: workspace, MPLBACKEND: "Agg", PYTHONUNBUFFERED: undefined },
  });
  // Starts while the server is built; requests are taken when it is ready. What the workspace holds can keep it from
  // starting: then the calls that need it say so, and the others can put it right.
  const warm = kernel.start().then(
    () => {
      note("interpreter");
    },
    (error: unknown) => {
      log("error", "no interpreter", { error: messageOf(error) });
    },
  );
  writeEnvFile(workspace, env["BAY_PROFILE_ENV"]);
  const skills = injectSkills(workspace, env["SHIP_SKILLS"] ?? "/app/skills");
  const missing = missingTools(workspace);
  note("workspace");
  // Node makes its threads for files at the first call that needs them, and aborts where the pod has no process left
  // for them.
  await stat("/");
  keepProcessLimit({
    limit: Number(env["SHIP_MAX_PROCESSES"] ?? LIMITS.processes),
    ownsAll: env["SHIP_OWNS_PROCESSES"] === "1" && process.ppid === 1,
  });
  const app = await buildShip({ workspace, kernel, skills, missing, verifier });
  await app.ready();
  note("routes");
  await warm;
  const address = await app.listen({ host: env["SHIP_HOST"] ?? "0.0.0.0", port: Number(env["SHIP_PORT"] ?? 8123) });
  note("listening");
  if (missing.length > 0) log("error", "the base image lacks programs that a sandbox is promised", { missing });
  if (!verifier) log("info", "SHIP_TOKEN_SHA256 is not set: anyone who reaches this port can run code here");
  log("info", "listening", { address, startedInMs: done["listening"], doneAtMs: done, hiddenFromItsUid: isHidden() });
}

/** The container's variables without Ship's own; what start.sh kept from Ship is for programs of the sandbox. */
function kernelEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = env["SHIP_NODE_OPTIONS"];
  return {
    ...env,
    SHIP_OWNS_PROCESSES: undefined,
    SHIP_NODE_OPTIONS: undefined,
    ...(kept === undefined ? {} : { NODE_OPTIONS: kept }),
  };
}

/**
 * Whether other processes of Ship's uid are kept from its memory and descriptors: /proc gives such a process to root.
 */
function isHidden(): boolean | undefined {
  const uid = process.getuid?.();
  return uid === 0 ? undefined : statSync(`/proc/${process.pid}/fd`).uid !== uid;
}

/**
 * The user's code shares Ship's uid and can break any stream that leads to it. What is thrown for that outside of a
 * request is told and costs nobody else their sandbox.
 */
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    log("error", event, { error: messageOf(error) });
  });
}

// By default Node opens its inspector at this signal, and whoever reaches that has Ship. From Node 22.14 on a flag says
// so before this program runs (Dockerfile); a listener does from here on, in all versions.
process.on("SIGUSR1", () => {
  log("error", "SIGUSR1 is ignored");
});

// Ship keeps nothing that needs an orderly end: a pod that is deleted must go at once.
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));

main().catch((error: unknown) => {
  log("error", "Ship cannot start", { error: messageOf(error) });
  process.exit(1);
});

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
