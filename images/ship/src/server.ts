import path from "node:path";
import { buildShip, log } from "./app";
import { takeVerifier } from "./auth";
import { Kernel } from "./kernel";
import { loginEnv } from "./shell";
import { injectSkills, writeEnvFile } from "./startup";
import { missingTools } from "./tools";

/** Milliseconds since the process began when each part of the start was done, in the order of their ends. */
const done: Record<string, number> = {};
const note = (part: string): void => { done[part] = Math.round(performance.now()); };

/** Environment: SHIP_HOST, SHIP_PORT, SHIP_WORKSPACE, SHIP_SKILLS, SHIP_TOKEN_SHA256, BAY_PROFILE_ENV. See README.md. */
async function main(): Promise<void> {
  done["node"] = Math.round(performance.nodeTiming.bootstrapComplete);
  note("program");
  const env = process.env;
  const verifier = takeVerifier(env);
  const workspace = path.resolve(env["SHIP_WORKSPACE"] ?? "/workspace");
  // The kernel inherits the container's variables (profile variables reach Python this way).
  const kernel = new Kernel({ workspace, env: { ...loginEnv(workspace), ...env, HOME: workspace, MPLBACKEND: "Agg", PYTHONUNBUFFERED: undefined } });
  const warm = kernel.start().then(() => { note("interpreter"); }); // starts while the server is built; requests are taken when it is ready
  writeEnvFile(workspace, env["BAY_PROFILE_ENV"]);
  const skills = injectSkills(workspace, env["SHIP_SKILLS"] ?? "/app/skills");
  const missing = missingTools(workspace);
  note("workspace");
  const app = await buildShip({ workspace, kernel, skills, missing, verifier });
  await app.ready();
  note("routes");
  await warm;
  const address = await app.listen({ host: env["SHIP_HOST"] ?? "0.0.0.0", port: Number(env["SHIP_PORT"] ?? 8123) });
  note("listening");
  if (missing.length > 0) log("error", "the base image lacks programs that a sandbox is promised", { missing });
  if (!verifier) log("info", "SHIP_TOKEN_SHA256 is not set: anyone who reaches this port can run code here");
  log("info", "listening", { address, startedInMs: done["listening"], doneAtMs: done });
}

// Ship keeps nothing that needs an orderly end: a pod that is deleted must go at once.
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));

main().catch((error: unknown) => {
  log("error", "Ship cannot start", { error: error instanceof Error ? error.message : String(error) });
  process.exit(1);
});
