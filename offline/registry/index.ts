import { existsSync } from "node:fs";
import { join } from "node:path";
import { cached, type Entry, entryPath, recipeHash } from "../cache";
import { goBuild } from "../host/go";
import { requireDisk, requireLinux } from "../host/preconditions";
import type { Step } from "../steps";
import { VERSIONS } from "../versions";

const MODULE = join(__dirname, "..", "go", "registry");

/** The step to an image registry for tests; none where it is built. */
export async function registrySteps(): Promise<Step[]> {
  if (existsSync(registryFolder())) return [];
  requireLinux();
  requireDisk(2);
  return Promise.resolve([
    {
      name: "registry",
      title: `image registry ${VERSIONS.registry} from its Go module`,
      work: async () => {
        await makeRegistry();
      },
    },
  ]);
}

/** The folder of the program `registry`, for PATH. */
export function registryFolder(): string {
  return entryPath(entry());
}

/** One line, because it is not the vendor's file. */
export function registryNotes(): string[] {
  return [`image registry ${VERSIONS.registry} built from its Go module, without the storage of clouds`];
}

function entry(): Entry {
  return { name: "registry", version: VERSIONS.registry, hash: recipeHash([MODULE], [process.arch]) };
}

function makeRegistry(): Promise<string> {
  return cached(entry(), (folder) =>
    goBuild({
      module: MODULE,
      package: ".",
      output: join(folder, "registry"),
      tags: ["grpcnotrace"],
      variables: { "github.com/distribution/distribution/v3/version.version": `v${VERSIONS.registry}` },
    }),
  );
}
