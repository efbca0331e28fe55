import { existsSync } from "node:fs";
import { join } from "node:path";
import { cached, type Entry, entryPath, recipeHash } from "../cache";
import { goBuild } from "../host/go";
import { requireDisk, requireLinux } from "../host/preconditions";
import { imageSteps, kindSubstitutes } from "../images";
import type { Step } from "../steps";
import { OFFICIAL_KIND_NODE, VERSIONS } from "../versions";

const MODULE = join(__dirname, "..", "go", "kind");

/** The steps to kind's CLI and a node image for it. */
export async function kindSteps(): Promise<Step[]> {
  const steps: Step[] = [];
  if (!existsSync(entryPath(cliEntry()))) {
    requireLinux();
    requireDisk(2);
    steps.push({ name: "kindCli", title: `kind ${VERSIONS.kind} from its Go module`, work: async () => { await makeCli(); } });
  }
  return [...steps, ...await imageSteps(["kind"], false)];
}

/** The folder of the CLI, for PATH, and the images that stand in for official ones. */
export function kindEnvironment(): { path: string; images: Record<string, string> } {
  return { path: entryPath(cliEntry()), images: kindSubstitutes() };
}

/** One line for each part that is not the official one. */
export function kindNotes(): string[] {
  return [
    `kind ${VERSIONS.kind} built from its Go module (official download not reachable)`,
    `image ${kindSubstitutes()[OFFICIAL_KIND_NODE]!} made here in place of ${OFFICIAL_KIND_NODE.replace(/@.*/, "")}: Kubernetes ${VERSIONS.kubernetes}, no systemd, NetworkPolicies not enforced (image registry not reachable)`,
  ];
}

function cliEntry(): Entry {
  return { name: "kind-cli", version: VERSIONS.kind, hash: recipeHash([MODULE], [process.arch]) };
}

function makeCli(): Promise<string> {
  return cached(cliEntry(), (folder) => goBuild({ module: MODULE, package: "sigs.k8s.io/kind", output: join(folder, "kind") }));
}
