import { engineEnvironment, engineNotes, engineSteps } from "./docker/engine";
import { helmFolder, helmNotes, helmSteps } from "./helm";
import { imageNotes, imageSteps, kindImageNotes, kindSubstitutes, substitutes } from "./images";
import { kindCliFolder, kindCliNotes, kindCliSteps } from "./kind";
import type { Progress } from "./progress";
import { pulumiNotes, pulumiPaths, pulumiSteps } from "./pulumi";
import { registryFolder, registryNotes, registrySteps } from "./registry";
import type { Step } from "./steps";

/** What the fallback can supply, in the order in which it must be made. */
export const NEEDS = ["docker", "pulumi", "images", "kindCli", "kindImage", "helm", "registry"] as const;
export type Need = (typeof NEEDS)[number];

/** What is made when nothing is named: what the k3s stack takes. */
export const DEFAULT_NEEDS: readonly Need[] = ["docker", "pulumi", "images"];

/** What `ensure` prints. */
export interface Ensured {
  /** To be added to the environment; PATH_PREPEND goes before PATH. */
  env: Record<string, string>;
  /** One line for each thing that is not the official one. */
  notes: string[];
  /** Milliseconds of each step that had to be done, and in total. */
  ms: Record<string, number>;
}

/**
 * Makes what is asked for and missing.
 * @throws UserError E_ROOT_NEEDED, E_DISK, E_TOOL_BUILD, E_DOCKER_MISSING, E_COMMAND
 */
export async function ensure(needs: readonly Need[], progress: Progress): Promise<Ensured> {
  const start = Date.now();
  const env: Record<string, string> = {};
  const notes: string[] = [];
  const path: string[] = [];
  if (needs.includes("docker")) {
    const steps = await engineSteps();
    progress.expect(steps.length);
    for (const step of steps) await progress.step(step.name, step.title, step.work);
    const engine = engineEnvironment();
    path.push(...engine.path);
    // The following steps call docker, from where it was just put.
    if (engine.path.length > 0) process.env["PATH"] = [...engine.path, process.env["PATH"]].join(":");
    notes.push(...engineNotes());
  }
  await make(needs, progress);
  const images: Record<string, string> = {};
  if (needs.includes("pulumi")) {
    const { bin, home } = pulumiPaths();
    path.unshift(bin);
    env["PULUMI_HOME"] = home;
    notes.push(...pulumiNotes());
  }
  if (needs.includes("images")) {
    Object.assign(images, substitutes());
    notes.push(...imageNotes());
  }
  if (needs.includes("kindCli")) {
    path.unshift(kindCliFolder());
    notes.push(...kindCliNotes());
  }
  if (needs.includes("kindImage")) {
    Object.assign(images, kindSubstitutes());
    notes.push(...kindImageNotes());
  }
  if (needs.includes("helm")) {
    path.unshift(helmFolder());
    notes.push(...helmNotes());
  }
  if (needs.includes("registry")) {
    path.unshift(registryFolder());
    notes.push(...registryNotes());
  }
  if (Object.keys(images).length > 0) env["BAY_E2E_IMAGES"] = JSON.stringify(images);
  if (path.length > 0) env["PATH_PREPEND"] = path.join(":");
  return { env, notes, ms: { ...progress.ms, total: Date.now() - start } };
}

/** Everything but Docker, whose CLI the steps call. What two needs share, the first of them makes. */
async function make(needs: readonly Need[], progress: Progress): Promise<void> {
  const makers: [Need, () => Promise<Step[]>][] = [
    ["pulumi", pulumiSteps],
    ["images", () => imageSteps(["k3s"], true)],
    ["kindCli", kindCliSteps],
    ["kindImage", () => imageSteps(["kind"], false)],
    ["helm", helmSteps],
    ["registry", registrySteps],
  ];
  for (const [need, stepsTo] of makers) {
    const steps = needs.includes(need) ? await stepsTo() : [];
    progress.expect(Object.keys(progress.ms).length + steps.length);
    for (const step of steps) await progress.step(step.name, step.title, step.work);
  }
}
