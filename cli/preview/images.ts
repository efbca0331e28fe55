import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lock } from "proper-lockfile";
import { placesOfNodes } from "../../infra/backends/host-nodes";
import { loadIntoNode, tagLocally } from "../../infra/backends/node-images";
import { imageSources, type Settings } from "../../infra/config";
import { withSubstitutes } from "../../infra/program-config";
import { bundle } from "../../infra/support/bundle";
import { localImages } from "../../infra/support/docker";
import { UserError } from "../../infra/support/errors";
import { pasteable, tail, tryRun } from "../../infra/support/exec";
import { writeWhole } from "../../infra/support/files";
import { STATE } from "../paths";
import type { Tell } from "../progress";
import { digestOf } from "./digest";
import { pathIn, type Source } from "./source";

const FOLDER = join(STATE, "previews", "images");

/** An image to be built, or built before. */
interface Recipe {
  name: "bay" | "ship";
  context: string;
  dockerfile: string;
  baseImage: string;
  key: string;
}

/** What is remembered of an image: its content id, and the clusters that were seen to have it. */
interface Remembered {
  id: string;
  clusters: string[];
}

/**
 * Images of a preview by their content ids, built once for all previews of this checkout that have the same sources,
 * and brought to the nodes once. Of several that start at once one builds, and the others wait for it.
 * @returns values of `bayImage` and `shipImage`; empty where the configuration names ready images, or a registry, to
 *   which each stack pushes its own
 * @throws UserError E_IMAGE_BUILD with the end of the build's output
 */
export async function sharedImages(
  settings: Settings,
  source: Source,
  cluster: { server: string; kubeconfig: string },
  tell: Tell,
): Promise<Partial<Record<"bayImage" | "shipImage", string>>> {
  if (settings.registry !== "") return {};
  const recipes = recipesOf(settings, source);
  if (recipes.length === 0) return {};
  if (!(await allThere(recipes, cluster.server)))
    await underLock(() => makeThere(recipes, cluster, settings.readyTimeout, tell));
  return Object.fromEntries(recipes.map(({ name, key }) => [`${name}Image`, remembered(key)!.id]));
}

function recipesOf(settings: Settings, source: Source): Recipe[] {
  const sources = imageSources(withSubstitutes(settings));
  return (["bay", "ship"] as const)
    .filter((name) => sources[name].reference === "")
    .map((name) => {
      const { baseImage } = sources[name];
      const context = pathIn(source, `${name}Context`, sources[name].context);
      const dockerfile =
        sources[name].dockerfile === ""
          ? join(context, "Dockerfile")
          : pathIn(source, `${name}Dockerfile`, sources[name].dockerfile);
      const shared = [join(source.root, "images", "common"), join(source.root, "package-lock.json")];
      return {
        name,
        context,
        dockerfile,
        baseImage,
        key: digestOf([name, baseImage], [context, dockerfile, ...shared]),
      };
    });
}

/** Whether all are in the local store, and were seen on the cluster's nodes; the program looks at the nodes again. */
async function allThere(recipes: readonly Recipe[], server: string): Promise<boolean> {
  const known = recipes.map(({ key }) => remembered(key));
  if (known.some((each) => !each?.clusters.includes(server))) return false;
  return (await localImages(known.map((each) => each!.id))).size === known.length;
}

async function makeThere(
  recipes: readonly Recipe[],
  { server, kubeconfig }: { server: string; kubeconfig: string },
  timeout: number,
  tell: Tell,
): Promise<void> {
  if (await allThere(recipes, server)) return; // Somebody else's, while this one waited for the lock.
  const images = [];
  for (const recipe of recipes) {
    const before = remembered(recipe.key)?.id;
    const there = before !== undefined && (await localImages([before])).size === 1;
    if (!there) tell(`building the image of ${recipe.name}`);
    images.push({ name: recipe.name, id: there ? before : await build(recipe) });
  }
  await tagLocally(images);
  const { containers } = await placesOfNodes(kubeconfig);
  if (containers.length > 0) tell("bringing the images to the nodes");
  for (const node of containers) await loadIntoNode(node, images, { timeout });
  for (const [index, { key }] of recipes.entries()) {
    const { id } = images[index]!;
    const clusters = remembered(key)?.id === id ? remembered(key)!.clusters : [];
    writeWhole(
      join(FOLDER, `${key}.json`),
      JSON.stringify({ id, clusters: [...new Set([...clusters, server])] } satisfies Remembered),
    );
  }
}

async function build({ name, context, dockerfile, baseImage }: Recipe): Promise<string> {
  bundle(context);
  const folder = mkdtempSync(join(tmpdir(), "bay-e2e-image-"));
  const idFile = join(folder, "id");
  const platform = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;
  const argv: [string, ...string[]] = [
    "docker",
    "build",
    "--platform",
    platform,
    "--build-arg",
    `BASE_IMAGE=${baseImage}`,
    "--file",
    dockerfile,
    "--iidfile",
    idFile,
    context,
  ];
  try {
    const { exitCode, stdout, stderr } = await tryRun(argv, { timeout: 1_200_000 });
    if (exitCode === 0) return readFileSync(idFile, "utf8").trim();
    throw new UserError("E_IMAGE_BUILD", {
      seen: `the image of ${name}: docker build ended with ${exitCode}`,
      wanted: "an image that builds",
      next: pasteable(argv.filter((word) => word !== "--iidfile" && word !== idFile)),
      detail: tail(`${stdout}\n${stderr}`, 30),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function remembered(key: string): Remembered | undefined {
  const file = join(FOLDER, `${key}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Remembered) : undefined;
}

/** One build at a time; a lock whose holder died is taken over. */
async function underLock<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync(FOLDER, { recursive: true });
  const release = await lock(FOLDER, {
    stale: 20_000,
    update: 5_000,
    retries: { retries: 2400, factor: 1, minTimeout: 250, maxTimeout: 250 },
  });
  try {
    return await work();
  } finally {
    await release();
  }
}
