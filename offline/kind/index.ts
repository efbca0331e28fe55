import { existsSync } from "node:fs";
import { join } from "node:path";
import { cached, type Entry, entryPath, recipeHash } from "../cache";
import { goBuild } from "../host/go";
import { requireDisk, requireLinux } from "../host/preconditions";
import type { Step } from "../steps";
import { VERSIONS } from "../versions";

const MODULE = join(__dirname, "..", "go", "kind");

/** The step to kind's CLI; none where it is built. */
export async function kindCliSteps(): Promise<Step[]> {
  if (existsSync(kindCliFolder())) return [];
  requireLinux();
  requireDisk(2);
  return Promise.resolve([
    {
      name: "kindCli",
      title: `kind ${VERSIONS.kind} from its Go module`,
      work: async () => {
        await makeCli();
      },
    },
  ]);
}

/** The folder of the CLI, for PATH. */
export function kindCliFolder(): string {
  return entryPath(cliEntry());
}

/** One line, because it is not the vendor's file. */
export function kindCliNotes(): string[] {
  return [`kind ${VERSIONS.kind} built from its Go module (official download not reachable)`];
}

function cliEntry(): Entry {
  return { name: "kind-cli", version: VERSIONS.kind, hash: recipeHash([MODULE], [process.arch]) };
}

function makeCli(): Promise<string> {
  return cached(cliEntry(), (folder) =>
    goBuild({ module: MODULE, package: "sigs.k8s.io/kind", output: join(folder, "kind") }),
  );
}
