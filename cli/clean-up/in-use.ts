import { LABELS, PREFIX } from "../../infra/naming";
import { isWithoutDocker, requireAnswer } from "../../infra/support/docker-answer";
import { tryRun } from "../../infra/support/exec";
import { KIND_LABEL } from "./docker-things";
import { type KnownStack, knownStacks } from "../stack/known-stacks";
import { isBuilt, type Stored } from "../tools/stored";

/** What must not be removed because it is used. */
export interface InUse {
  /** Names of stacks that are up or half up, of this checkout and, by their nodes, of others. */
  stacks: string[];
  /** Content ids of images that stacks of this checkout run. */
  images: string[];
}

/**
 * What is used now: by the state of this checkout, and by the nodes that run on this host.
 * @throws UserError E_COMMAND, E_COMMAND_TIMEOUT if Docker does not say what runs
 */
export async function lookForUse(): Promise<InUse> {
  const [known, nodes] = await Promise.all([knownStacks(), nodesOfAny()]);
  return useOf(known, nodes);
}

/**
 * @param nodes the labels `stack` and `kind cluster` of each running container of any checkout, one line each
 */
export function useOf(known: readonly KnownStack[], nodes: readonly string[]): InUse {
  const live = known.filter(({ condition }) => condition !== "not up");
  const others = nodes.map((line) => {
    const [stack = "", cluster = ""] = line.split("\t");
    return stack || (new RegExp(`^${PREFIX}-(.+)-[0-9a-f]{6}$`).exec(cluster)?.[1] ?? "");
  });
  return {
    stacks: [...new Set([...live.map(({ name }) => name), ...others.filter(Boolean)])].sort(),
    images: live.flatMap(({ images }) => images),
  };
}

/** Why something must stay, in a few words; nothing where it may go. */
export function reasonToKeep(thing: Stored, use: InUse): string | undefined {
  if (thing.kind === "run" || thing.kind === "cache of Go") return undefined;
  if (!isBuilt(thing)) return use.stacks.length === 0 ? undefined : `${plural(use.stacks)} ${use.stacks.join(", ")}`;
  const tags = thing.places.map((place) => place.slice(place.lastIndexOf(":") + 1));
  const stacks = use.stacks.filter((stack) => tags.includes(stack));
  if (stacks.length > 0) return `${plural(stacks)} ${stacks.join(", ")}`;
  return use.images.includes(thing.name) ? "a stack of this checkout" : undefined;
}

function plural(stacks: readonly string[]): string {
  return stacks.length === 1 ? "stack" : "stacks";
}

async function nodesOfAny(): Promise<string[]> {
  const format = `{{.Label "${LABELS.stack}"}}\t{{.Label "${KIND_LABEL}"}}`;
  const list = async (label: string) => {
    const argv: [string, ...string[]] = ["docker", "ps", "--filter", `label=${label}`, "--format", format];
    const result = await tryRun(argv, { timeout: 8_000 });
    requireAnswer(argv, result);
    return result.stdout.split("\n");
  };
  try {
    return [...(await list(LABELS.owner)), ...(await list(KIND_LABEL))].filter((line) => line.trim() !== "");
  } catch (error) {
    // Without a Docker that runs no node runs either.
    if (isWithoutDocker(error)) return [];
    throw error;
  }
}
