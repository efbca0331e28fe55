import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CHECKPOINT_LABEL, IMAGE_LABEL, PREFIX } from "../../infra/naming";
import { tryRun } from "../../infra/support/exec";
import { cacheFolder } from "./cache";
import { ARTIFACTS } from "../paths";

/** One thing that stays between runs. */
export interface Stored {
  kind: "image" | "tool" | "run" | "cache of Go";
  name: string;
  /** Bytes; nothing where they could not be counted in time. */
  size?: number;
  /** An image's names, or a folder. */
  places: string[];
}

/** Images that stacks build; all others below the prefix are stand-ins of offline/, which count as tools. */
const BUILT = [
  `${PREFIX}/bay`,
  `${PREFIX}/ship`,
  `${PREFIX}/propagator`,
  `${PREFIX}/checkpoint-node`,
  `${PREFIX}/runner-tools`,
  `${PREFIX}/runner-packages`,
  `${PREFIX}/runner`,
];

/** Everything that stays between runs on this host, for any checkout. Looks only. */
export async function storedThings(): Promise<Stored[]> {
  const [images, tools, runs, go] = await Promise.all([
    storedImages(),
    foldersOf(cacheFolder(), "tool"),
    folder(ARTIFACTS, "run", "artifacts of runs"),
    goCaches(),
  ]);
  return [...images, ...tools, ...runs, ...go];
}

/** Whether an image was built by a stack, and not made by offline/. */
export function isBuilt(image: Stored): boolean {
  return image.kind === "image" && image.places.some((place) => BUILT.some((name) => place.startsWith(`${name}:`)));
}

/**
 * Whether an image is proven to be of this project, and not merely named like one: it carries a label of ours, or one
 * of its names is its own content id, which `load` gave it.
 * @param labelled content ids of the images that carry such a label
 */
export function isProven({ name, places }: Pick<Stored, "name" | "places">, labelled: ReadonlySet<string>): boolean {
  const digits = name.replace("sha256:", "").slice(0, 12);
  return labelled.has(name) || places.some((place) => place.startsWith(`${PREFIX}/`) && place.endsWith(`:${digits}`));
}

/** Content ids of the images that carry a label by which this project knows its own; none where no Docker answers. */
export async function labelledImages(): Promise<Set<string>> {
  const found = await Promise.all(
    [IMAGE_LABEL, CHECKPOINT_LABEL].map(
      async (label) =>
        (
          await tryRun(["docker", "image", "ls", "--quiet", "--no-trunc", "--filter", `label=${label}`], {
            timeout: 8_000,
          }).catch(() => ({ stdout: "" }))
        ).stdout,
    ),
  );
  return new Set(found.join("\n").split("\n").filter(Boolean));
}

/** Lists the images below this project's prefix, in the lines that `imagesOf` reads. */
export const LIST_IMAGES: [string, ...string[]] = [
  "docker",
  "image",
  "ls",
  "--no-trunc",
  "--filter",
  `reference=${PREFIX}/*`,
  "--format",
  "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}",
];

/** Images below this project's prefix, one entry an image with all its names; none where no Docker answers. */
async function storedImages(): Promise<Stored[]> {
  const { exitCode, stdout } = await tryRun(LIST_IMAGES, { timeout: 8_000 }).catch(() => ({ exitCode: 1, stdout: "" }));
  return exitCode === 0 ? imagesOf(stdout) : [];
}

/** Reads the lines `ID NAME SIZE` of `docker image ls`. */
export function imagesOf(listing: string): Stored[] {
  const images = new Map<string, Stored>();
  for (const line of listing.split("\n").filter(Boolean)) {
    const [id = "", place = "", size = ""] = line.split(" ");
    const known = images.get(id);
    if (known) known.places.push(place);
    else images.set(id, { kind: "image", name: id, places: [place], ...sizeOf(size) });
  }
  return [...images.values()];
}

/** Docker's `184MB` or `1.02GB` in bytes. */
function sizeOf(text: string): { size?: number } {
  const [, count, unit] = /^([\d.]+)([kMGT]?)B$/.exec(text) ?? [];
  return count === undefined
    ? {}
    : { size: Math.round(Number(count) * 1000 ** ["", "k", "M", "G", "T"].indexOf(unit!)) };
}

async function foldersOf(root: string, kind: Stored["kind"]): Promise<Stored[]> {
  if (!existsSync(root)) return [];
  return (
    await Promise.all(
      readdirSync(root)
        .sort()
        .map((name) => folder(join(root, name), kind, name)),
    )
  ).flat();
}

async function folder(place: string, kind: Stored["kind"], name: string): Promise<Stored[]> {
  if (!existsSync(place)) return [];
  const { stdout } = await tryRun(["du", "-sk", place], { timeout: 5_000 }).catch(() => ({ stdout: "" }));
  const kilobytes = /^\d+/.exec(stdout)?.[0];
  return [{ kind, name, places: [place], ...(kilobytes === undefined ? {} : { size: Number(kilobytes) * 1024 }) }];
}

/**
 * Go's own caches, which the tools of a registry-only host fill. They may be the user's too: this project never removes
 * them.
 */
async function goCaches(): Promise<Stored[]> {
  const { exitCode, stdout } = await tryRun(["go", "env", "GOCACHE", "GOMODCACHE"], { timeout: 3_000 }).catch(() => ({
    exitCode: 1,
    stdout: "",
  }));
  if (exitCode !== 0) return [];
  const [build = "", modules = ""] = stdout.split("\n");
  return (
    await Promise.all([
      folder(build, "cache of Go", "go clean -cache"),
      folder(modules, "cache of Go", "go clean -modcache"),
    ])
  ).flat();
}
