import { execa } from "execa";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isOwnCacheFolder } from "../../infra/support/cache-folder";
import { UserError } from "../../infra/support/errors";
import { tail, tryRun } from "../../infra/support/exec";
import { cacheFolder } from "../tools/cache";
import { type InUse, lookForUse, reasonToKeep } from "../clean-up/in-use";
import { OFFLINE, ROOT } from "../paths";
import { isBuilt, isProven, labelledImages, type Stored, storedThings } from "../tools/stored";
import { bytes, table } from "../table";

/** What a clean may remove. */
export interface CleanOptions {
  images: boolean;
  tools: boolean;
  all: boolean;
}

/** Lists what stays between runs, or removes some of it. */
export async function cacheCommand(action: string | undefined, options: CleanOptions): Promise<number> {
  if (action === undefined || action === "list") {
    if (options.images || options.tools || options.all)
      throw usage("a flag without the word clean", "npm run cache -- clean --all");
    process.stdout.write(`${inventory(await storedThings(), await lookForUse())}\n`);
    return 0;
  }
  if (action !== "clean") throw usage(`cache ${action}`, "npm run cache   (or: npm run cache -- clean --all)");
  if (!options.images && !options.tools && !options.all)
    throw usage("clean without what to remove", "npm run cache -- clean --images   (or: --tools, --all)");
  await clean({ images: options.images || options.all, tools: options.tools || options.all });
  return 0;
}

/** Everything that stays, with sizes, users, and what removes it. */
export function inventory(things: readonly Stored[], use: InUse, width?: number): string {
  const rows = things.map((thing) => [
    thing.kind,
    describe(thing),
    thing.size === undefined ? "?" : bytes(thing.size),
    reasonToKeep(thing, use) ?? "",
    removalOf(thing),
  ]);
  const total = things.reduce((sum, { size }) => sum + (size ?? 0), 0);
  const columns = [
    { title: "kind", min: 5 },
    { title: "what", min: 20 },
    { title: "size", min: 8 },
    { title: "used by", min: 8 },
    { title: "removed by", min: 12 },
  ];
  return rows.length === 0
    ? "Nothing stays between runs."
    : `${table(columns, rows, width)}\n\n${bytes(total)} in all, layers that images share counted for each. Tools are below ${cacheFolder()}.`;
}

/** Removes images of Bay and Ship, and tools; what a stack uses stays, and is named. */
async function clean(what: { images: boolean; tools: boolean }): Promise<void> {
  const use = await lookForUse();
  const say = (line: string) => {
    process.stdout.write(`${line}\n`);
  };
  if (what.images) {
    const labelled = await labelledImages();
    for (const image of (await storedThings()).filter(isBuilt)) {
      if (isProven(image, labelled)) await removeImage(image, use, say);
      else
        say(
          `kept image ${describe(image)}: only its name is like one of this project's   (docker image rm ${image.places.join(" ")})`,
        );
    }
  }
  if (what.tools && use.stacks.length > 0) {
    say(
      `kept the tools, the stand-ins and Docker's daemon: ${use.stacks.length === 1 ? "a stack is" : "stacks are"} up: ${use.stacks.join(", ")}   (npm run status, npm run down)`,
    );
  } else if (what.tools) {
    await removeTools();
  }
}

async function removeImage(image: Stored, use: InUse, say: (line: string) => void): Promise<void> {
  const reason = reasonToKeep(image, use);
  if (reason !== undefined) {
    say(`kept image ${describe(image)}: used by ${reason}`);
    return;
  }
  for (const name of image.places) {
    const { exitCode, stderr } = await tryRun(["docker", "image", "rm", name]);
    say(exitCode === 0 ? `removed image ${name}` : `kept image ${name}: ${tail(stderr, 1)}`);
  }
}

/** The stand-ins know best what is theirs: offline/ removes them, and says what. */
async function removeTools(): Promise<void> {
  const offline = join(OFFLINE, "main.ts");
  const loader = pathToFileURL(require.resolve("tsx")).href;
  if (existsSync(offline))
    await execa(process.execPath, ["--import", loader, offline, "clean"], { cwd: ROOT, stdio: "inherit" });
  for (const path of ["official", "fallback.json"]
    .map((name) => join(cacheFolder(), name))
    .filter((each) => existsSync(each))) {
    if (isOwnCacheFolder(cacheFolder())) rmSync(path, { recursive: true, force: true });
    else process.stdout.write(`kept ${path}: the folder above it was not made by this project\n`);
  }
}

/** An image by its first name and how many more it has; a folder by its name. */
function describe({ kind, name, places }: Stored): string {
  if (kind === "cache of Go") return places[0]!;
  if (kind !== "image") return name;
  return `${places[0]!}${places.length > 1 ? ` and ${places.length - 1} more name${places.length > 2 ? "s" : ""}` : ""}`;
}

function removalOf(thing: Stored): string {
  if (thing.kind === "run") return "rm -r artifacts";
  if (thing.kind === "cache of Go") return thing.name;
  return `npm run cache -- clean ${isBuilt(thing) ? "--images" : "--tools"}`;
}

function usage(seen: string, next: string): UserError {
  return new UserError("E_USAGE", { seen, wanted: "nothing, or clean with --images, --tools or --all", next });
}
