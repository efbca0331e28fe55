import { existsSync } from "node:fs";
import { join } from "node:path";
import { cached, type Entry, entryPath, recipeHash } from "../cache";
import { goBuild } from "../host/go";
import { requireDisk, requireLinux } from "../host/preconditions";
import type { Step } from "../steps";
import { VERSIONS } from "../versions";

const MODULE = join(__dirname, "..", "go", "helm");

/** The step to Helm's CLI; none where it is built. */
export async function helmSteps(): Promise<Step[]> {
  if (existsSync(helmFolder())) return [];
  requireLinux();
  requireDisk(2);
  return Promise.resolve([
    {
      name: "helm",
      title: `helm ${VERSIONS.helm} from its Go module (about a minute on 2 cores)`,
      work: async () => {
        await makeHelm();
      },
    },
  ]);
}

/** The folder of the CLI, for PATH. */
export function helmFolder(): string {
  return entryPath(entry());
}

/** One line, because it is not the vendor's file. */
export function helmNotes(): string[] {
  return [`helm ${VERSIONS.helm} built from its Go module (none on PATH)`];
}

function entry(): Entry {
  return { name: "helm", version: VERSIONS.helm, hash: recipeHash([MODULE], [process.arch]) };
}

function makeHelm(): Promise<string> {
  return cached(entry(), (folder) =>
    goBuild({
      module: MODULE,
      package: "helm.sh/helm/v3/cmd/helm",
      output: join(folder, "helm"),
      variables: { "helm.sh/helm/v3/internal/version.version": `v${VERSIONS.helm}` },
    }),
  );
}
