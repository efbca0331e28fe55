import { tryRun } from "../../../infra/support/exec";

/** Milliseconds of the parts of a dump and of a restore, as the node's program kept them. */
export interface NodeSteps {
  dump: Record<string, number>;
  restore: Record<string, number>;
}

/** Where the program keeps checkpoints and notes on pods that were restored (images/runc-cr/README.md). */
const STORE = "/var/lib/runc-cr";

/**
 * What dump and restore were made of, read on the node; nothing of a node that is no container of this host.
 * @param container of the node
 */
export async function nodeSteps(container: string | undefined, checkpoint: string, podUid: string): Promise<NodeSteps> {
  if (container === undefined) return { dump: {}, restore: {} };
  const [manifest, note] = await Promise.all(
    [`${STORE}/${checkpoint}/manifest.json`, `${STORE}/.restored/${podUid}`].map(async (file) => {
      const { exitCode, stdout } = await tryRun(["docker", "exec", container, "cat", file]);
      return exitCode === 0 ? ((JSON.parse(stdout) as { steps?: Record<string, number> }).steps ?? {}) : {};
    }),
  );
  return { dump: milliseconds(manifest!), restore: milliseconds(note!) };
}

/** `{runcMicroseconds: 1500}` as `{runc: 1.5}`. */
function milliseconds(steps: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(steps).map(([name, value]) => [name.replace(/Microseconds$/, ""), value / 1000]),
  );
}
