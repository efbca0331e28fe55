import { checkpointMode } from "../../../infra/config";
import { CHECKPOINT_LABEL, ownerOf } from "../../../infra/naming";
import { labelOfLocalImage } from "../../../infra/support/docker";
import { tryRun } from "../../../infra/support/exec";
import { thingsOf } from "../../clean-up/docker-things";
import { ROOT } from "../../paths";
import { type CheckSpec, NODE_BACKENDS, ok, warn } from "../check";
import { imagesOf } from "./registries";

/** One piece of a node, as `runc-cr check` tells it. */
export interface Piece {
  name: string;
  ok: boolean;
  required: boolean;
  found: string;
  needed: string;
  fix?: string;
}

/** What is known of a stack's nodes. */
export interface NodeFacts {
  /** The nodes that run, with their pieces or with what stood in the way of asking. */
  nodes: { name: string; pieces?: readonly Piece[]; problem?: string }[];
  /** The node image, for a stack that has no node yet. */
  image: string;
  /** Whether that image has the runtime. */
  prepared: boolean;
}

const NEEDED = "runc-cr, criu and containerd's handler on each node";

/**
 * What checkpoints of pods need of the stack's nodes: each of them is asked; before the first `up` its image is looked
 * at.
 */
export const checkpointing: CheckSpec<NodeFacts> = {
  name: "checkpoints",
  backends: NODE_BACKENDS,
  cost: "cheap",
  probe: async ({ docker, settings, stack, backend, env }) => {
    if (!docker.info || !settings || checkpointMode(settings) !== true) return undefined;
    // A Docker that fails is the finding of another check.
    const things = await thingsOf(ownerOf(ROOT, stack)).catch(() => undefined);
    if (things === undefined) return undefined;
    const containers = things.filter(({ kind }) => kind === "container");
    const [image] = imagesOf(settings, backend, env) as [string];
    return {
      nodes: await Promise.all(containers.map(({ name }) => ask(name))),
      image,
      prepared: labelOfLocalImage(image, CHECKPOINT_LABEL) !== "",
    };
  },
  judge: ({ nodes, image, prepared }) => {
    if (nodes.length === 0)
      return ok(prepared ? `${image} has them` : `the next up builds them on top of ${image}`, NEEDED);
    const troubles = nodes.flatMap(({ name, pieces = [], problem }) => [
      ...(problem === undefined
        ? []
        : [{ text: `${name}: ${problem}`, fix: "npm run down, then npm run up: the node was made without them" }]),
      ...pieces
        .filter((piece) => piece.required && !piece.ok)
        .map((piece) => ({
          text: `${name}: ${piece.name}: ${piece.found}, wanted ${piece.needed}`,
          fix: piece.fix ?? `docker exec ${name} runc-cr check`,
        })),
    ]);
    const [first] = troubles;
    if (first) return warn(troubles.map(({ text }) => text).join("; "), NEEDED, first.fix);
    const limits = [
      ...new Set(nodes.flatMap(({ pieces = [] }) => pieces.filter((piece) => !piece.ok).map(({ found }) => found))),
    ];
    return ok(
      [`${nodes.length === 1 ? "the node has" : `all ${nodes.length} nodes have`} them`, ...limits].join("; "),
      NEEDED,
    );
  },
};

async function ask(name: string): Promise<NodeFacts["nodes"][number]> {
  const { stdout, stderr } = await tryRun(["docker", "exec", name, "runc-cr", "check"], { timeout: 8_000 }).catch(
    (error: Error) => ({ stdout: "", stderr: error.message }),
  );
  try {
    return { name, pieces: (JSON.parse(stdout) as { checks: Piece[] }).checks };
  } catch {
    return { name, problem: (stderr || stdout).trim().split("\n").at(-1) ?? "" };
  }
}
